"""What staff see when Stripe is slow, busy, broken or says no, and when the desk itself is."""

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from registration import stripe_gateway
from registration.models import Order
from tests.browser.steps import expect_refunds_at_stripe, expect_row, open_refund, row_of, sign_in
from tests.registration.books import assert_books_agree
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask once and wait briefly, so that the bad day is short."""
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)


def test_a_slow_stripe_is_waited_for(page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    panel = open_refund(page, row_of(page, paid_order), "25.00")
    button = panel.locator("#refund-submit")
    width = button.bounding_box()["width"]  # type: ignore[index]

    with fault(sandbox, "slow", seconds=2, method="POST"):
        button.click()
        expect(button).to_have_text("Sending to Stripe")
        expect(button).to_have_attribute("aria-disabled", "true")
        assert button.bounding_box()["width"] >= width  # type: ignore[index]
        button.click(force=True)
        page.keyboard.press("Control+Enter")
        expect_row(row_of(page, paid_order), refunded="25.00")

    expect(panel).to_be_hidden()
    expect_refunds_at_stripe(sandbox, paid_order, 2500)
    assert_books_agree()


@pytest.mark.parametrize("bad_day", ["rate_limit", "server_error", "unavailable_html", "close"])
def test_no_trusted_answer_is_said_so(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order, bad_day: str
) -> None:
    sign_in(page, sam)
    panel = open_refund(page, row_of(page, paid_order), "25.00")

    with fault(sandbox, bad_day, count=9, method="POST"):
        panel.get_by_role("button", name="Refund €25.00").click()
        expect(panel).to_contain_text("Stripe did not answer. We are checking whether €25.00 was refunded.")

    expect(panel).to_contain_text("Do not send it again.")
    assert page.evaluate("!!document.activeElement.closest('dialog')")
    expect_row(row_of(page, paid_order), left="95.00")
    expect_refunds_at_stripe(sandbox, paid_order)
    paid_order.refresh_from_db()
    assert str(paid_order.reserved_amount + paid_order.refundable_amount) == "120.00"
    assert_books_agree()


def test_a_refusal_says_that_no_money_moved(page: Page, sam: Any, order: Order, sandbox: "SandboxServer") -> None:
    """Stripe's stand-in knows nothing of this payment."""
    sign_in(page, sam)
    panel = open_refund(page, row_of(page, order), "25.00")
    panel.get_by_role("button", name="Refund €25.00").click()

    expect(panel).to_contain_text("No money moved")
    expect_row(row_of(page, order), left="80.00")


def test_the_desk_breaks_while_sending(
    page: Page, complaints: list[str], sandbox: "SandboxServer", sam: Any, paid_order: Order
) -> None:
    sign_in(page, sam)
    panel = open_refund(page, row_of(page, paid_order), "25.00")
    page.route("**/refunds/new/", lambda route: route.fulfill(status=502, body="bad gateway"))

    panel.get_by_role("button", name="Refund €25.00").click()

    expect(page.get_by_role("alert").filter(has_text="We do not know if it was sent")).to_be_visible()
    expect(panel.get_by_role("button", name="Refund €25.00")).to_be_enabled()
    expect_refunds_at_stripe(sandbox, paid_order)
    take_out(complaints, "Response Status Error Code 502")


def test_the_line_is_cut(page: Page, complaints: list[str], sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    page.context.set_offline(True)
    page.locator(".chips").get_by_role("link", name="Paid").click()

    expect(page.get_by_role("alert").filter(has_text="Connection lost. Amounts are from")).to_be_visible()
    page.context.set_offline(False)
    page.locator(".chips").get_by_role("link", name="Refundable").click()
    expect(page.locator("#connection")).to_be_empty()
    take_out(complaints, "htmx:")


def take_out(complaints: list[str], expected: str) -> None:
    """The script library says on the console what it also tells the page."""
    complaints[:] = [each for each in complaints if expected not in each]
