"""Seven digits before the point: every figure of an order stays whole, at every width and in both languages."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference
from tests.browser.steps import sign_in
from tests.cast import make_order

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MEETING = """boxes => boxes.filter((box, at) => {
    const {left, right, top, bottom} = box.getBoundingClientRect();
    const meets = other => left < other.right && other.left < right && top < other.bottom && other.top < bottom;
    const cut = box.scrollWidth > box.clientWidth + 1 || right > innerWidth;
    return cut || boxes.slice(at + 1).some(other => meets(other.getBoundingClientRect()));
}).map(box => box.textContent)"""
"""Which boxes are cut off or lie over each other."""


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("width", [1440, 1280, 820, 390])
def test_the_figures_of_the_money_strip_stand_apart(
    open_page: Callable[..., Page], conference: Conference, ada: Any, grace: Any, locale: str, width: int
) -> None:
    order = make_order(conference, ada, paid="1234567.89")
    for amount, state in (("234567.89", "awaiting_approval"), ("500000.00", "unconfirmed")):
        refund = order.refunds.create(destination="CARD", amount=amount, state=state)
        refund.parts.create(payment=order.payments.get(), channel="STRIPE", amount=amount, state=state)
    page = open_page(viewport={"width": width, "height": 900})
    sign_in(page, grace)
    page.context.add_cookies([{"name": "django_language", "value": locale[:2], "url": page.url}])

    page.goto(f"/orders/{order.reference}/")

    shown = {"en-GB": "€1,234,567.89", "de-DE": "1.234.567,89\u00a0€"}[locale]
    expect(page.locator(".summary dd").first).to_have_text(shown)
    expect(page.locator(".summary > div:not(.foot)")).to_have_count(6)
    assert page.locator(".summary > div:not(.foot) > dd").evaluate_all(MEETING) == []
