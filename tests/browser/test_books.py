"""The books in a browser: on a phone every figure stands beside the name of its column."""

from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Order
from registration.services.refund import RefundService
from tests.browser.steps import sign_in
from tests.cast import make_order

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

COLUMNS = {"/books/": 4, "/orders/{reference}/account/": 4}


@pytest.mark.parametrize(("address", "columns"), COLUMNS.items())
def test_a_phone_shows_every_figure(page: Page, grace: Any, paid_order: Order, address: str, columns: int) -> None:
    RefundService.create_refund(paid_order, amount=Decimal("40.00"), destination="CREDIT")
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, grace)
    page.goto(address.format(reference=paid_order.reference))

    cells = page.locator("table.stacks tbody tr").first.locator("td")
    expect(cells).to_have_count(columns)
    for cell in cells.all():
        box = cell.bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
        assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == (
            f'"{cell.get_attribute("data-label")}"'
        )


def test_a_phone_cuts_no_figure_off(page: Page, grace: Any, conference: Conference, linnea: Any) -> None:
    make_order(conference, linnea, paid="9321071086.95")
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, grace)
    page.goto("/books/")

    closing = page.locator("table.stacks tbody tr", has_text="9,321,071,086.95").first.locator("td").last
    assert closing.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
