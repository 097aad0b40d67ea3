"""Two browsers on one desk: what one does, the other sees within five seconds, undisturbed."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Order
from tests.browser.steps import expect_row, expect_stayed, open_refund, row_of, sign_in, stay
from tests.cast import make_credit

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SOON_SECONDS = 5


@pytest.fixture
def colleague(open_page: Callable[..., Page], linus: Any, paid_order: Order, unpaid_order: Order) -> Page:
    """Somebody who only watches."""
    page = open_page()
    sign_in(page, linus)
    stay(page)
    return page


def within_seconds(since: float) -> float:
    """What is left of the promise, in milliseconds."""
    return max(1.0, (SOON_SECONDS - (time.monotonic() - since)) * 1000)


def test_a_refund_shows_in_the_other_list_and_order(
    page: Page, colleague: Page, open_page: Callable[..., Page], linus: Any, sam: Any, paid_order: Order
) -> None:
    reader = open_page()
    sign_in(reader, linus)
    reader.goto(f"/orders/{paid_order.reference}/")
    sign_in(page, sam)
    panel = open_refund(page, row_of(page, paid_order), "25.00")
    colleague.bring_to_front()
    colleague.get_by_role("searchbox").fill("")
    panel.get_by_role("button", name="Refund €25.00").click()
    expect_row(row_of(page, paid_order), left="95.00")
    acted = time.monotonic()

    expect(row_of(colleague, paid_order).locator("td.c-left")).to_contain_text("95.00", timeout=within_seconds(acted))
    expect(reader.locator("#order-title")).to_contain_text("Partially refunded", timeout=within_seconds(acted))
    expect_stayed(colleague)


def test_an_applied_credit_shows_in_the_other_list(
    page: Page, colleague: Page, conference: Conference, sam: Any, linnea: Any, unpaid_order: Order
) -> None:
    make_credit(conference, linnea, "50.00")
    sign_in(page, sam)
    row_of(page, unpaid_order).get_by_role("link", name="Apply credit").click()
    page.get_by_role("dialog").get_by_role("button", name="Apply €50.00").click()
    expect_row(row_of(page, unpaid_order), status="Paid")
    acted = time.monotonic()

    expect(row_of(colleague, unpaid_order)).to_contain_text("50.00", timeout=within_seconds(acted))
    expect(row_of(colleague, unpaid_order).locator("td.c-status")).to_contain_text(
        "Paid", timeout=within_seconds(acted)
    )
    expect_stayed(colleague)


def test_two_at_one_order_are_told_apart(
    page: Page, open_page: Callable[..., Page], sandbox: "SandboxServer", sam: Any, grace: Any, paid_order: Order
) -> None:
    other = open_page()
    sign_in(page, sam)
    sign_in(other, grace)
    first, second = (open_refund(each, row_of(each, paid_order), "70.00") for each in (page, other))
    with other.expect_response("**/refunds/preview/"):  # Asked before Sam's refund: it still offers the 70.00.
        second.get_by_label("Internal note").fill("On the phone with her")

    first.get_by_role("button", name="Refund €70.00").click()
    expect_row(row_of(page, paid_order), left="50.00")
    second.get_by_role("button", name="Refund €70.00").click()

    expect(second).to_contain_text("This order changed while you had it open")
    expect(second).to_contain_text("Sam Gamgee refunded €70.00")
    expect(second.get_by_label("Internal note")).to_have_value("On the phone with her")
    assert paid_order.refunds.count() == 1
