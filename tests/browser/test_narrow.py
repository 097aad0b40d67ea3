"""What a narrow page leads to in one press, and how what folds or stands alone is laid out."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, OpenItem, Order
from tests.browser.scene import refund_to
from tests.browser.steps import sign_in
from tests.dashboard.open_items import add

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


@pytest.mark.parametrize("width", [320, 390, 820])
def test_what_needs_attention_is_one_press_away_with_its_count(
    open_page: Callable[..., Page], conference: Conference, paid_order: Order, sam: Any, width: int
) -> None:
    add(conference, OpenItem.Kind.DISPUTED, "dp_1", order=paid_order)
    page = open_page(viewport={"width": width, "height": 844})
    sign_in(page, sam)
    page.goto("/credits/")
    link = page.get_by_role("navigation", name="Queues").get_by_role("link", name="Needs attention 1")
    size = link.bounding_box()

    assert size is not None
    assert min(size["width"], size["height"]) >= 24
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Needs attention")


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_a_form_that_is_a_page_lies_over_nothing(
    open_page: Callable[..., Page], paid_order: Order, sam: Any, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 700})
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    body, foot = (page.locator(f".drawer-{part}").bounding_box() for part in ("body", "foot"))

    assert body is not None
    assert foot is not None
    is_below, is_beside = foot["y"] >= body["y"] + body["height"], foot["x"] >= body["x"] + body["width"]
    assert is_below or is_beside
    assert is_beside == (width > 768)
