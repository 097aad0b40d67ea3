"""What folds on a narrow page begins each of its rows at the same edge."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Order
from tests.browser.scene import refund_to
from tests.browser.steps import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SEEN_FROM = """steps => {
    const edge = steps.getBoundingClientRect().left + parseFloat(getComputedStyle(steps).clipPath.split(' ').at(-1));
    return [...steps.children].map(step => {
        const line = parseFloat(getComputedStyle(step, '::before').width);
        return {top: step.getBoundingClientRect().top, line: step.getBoundingClientRect().left + line - edge,
                words: step.firstElementChild.getBoundingClientRect().left - edge};
    });
}"""
"""For each step its row, and how far into what is seen its line ends and its icon begins."""


def test_the_steps_of_a_refund_fold_without_a_line_that_comes_from_nowhere(
    open_page: Callable[..., Page], paid_order: Order, grace: Any
) -> None:
    refund_to(paid_order, "25.00", "CARD", grace)
    page = open_page(viewport={"width": 390, "height": 844})
    sign_in(page, grace)
    page.goto(f"/refunds/{paid_order.refunds.get().pk}/")
    expect(page.locator(".steps li")).to_have_count(3)

    steps = page.locator(".steps").evaluate(SEEN_FROM)

    rows = {step["top"]: step for step in reversed(steps)}
    assert len(rows) > 1
    for first in rows.values():
        assert first["line"] <= 0
        assert abs(first["words"]) < 2
    heading = page.locator("#progress-h").bounding_box()
    icon = page.locator(".steps li svg").first.bounding_box()
    assert heading is not None
    assert icon is not None
    assert abs(icon["x"] - heading["x"]) < 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
