"""German words are longer: nothing of the list may lie over its neighbour or be cut."""

from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Order
from registration.services.credit import CreditService
from tests.browser.steps import row_of, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BEYOND_THEIR_CELL = """
() => [...document.querySelectorAll(".orders td .acts > *")]
  .filter(each => each.getBoundingClientRect().left < each.closest("td").getBoundingClientRect().left)
  .map(each => each.textContent)
"""
ROOM_FOR_THE_HINT = """
field => {
  const style = getComputedStyle(field), brush = document.createElement("canvas").getContext("2d");
  brush.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return room - brush.measureText(field.placeholder).width;
}
"""


@pytest.mark.parametrize("width", [1440, 820])
def test_the_list_has_room_for_german(page: Page, grace: Any, unpaid_order: Order, width: int) -> None:
    CreditService.issue(
        unpaid_order.user,
        unpaid_order.conference,
        amount=Decimal("20.00"),
        reason="Visa came late",
        staff_user=grace,
    )
    sign_in(page, grace)
    page.context.add_cookies([{"name": "django_language", "value": "de", "url": page.url}])
    page.set_viewport_size({"width": width, "height": 900})

    page.goto("/orders/")

    expect(row_of(page, unpaid_order).get_by_role("link", name="Einlösen")).to_be_visible()
    expect(row_of(page, unpaid_order).locator(".c-age")).to_be_visible()
    assert page.evaluate(BEYOND_THEIR_CELL) == []
    assert page.get_by_role("searchbox").evaluate(ROOM_FOR_THE_HINT) > 0
