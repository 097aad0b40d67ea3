"""Where the focus stands after something was done at an order's page: at what was done, never at the top."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from registration.models import Conference, Order
from tests.browser.steps import expect_refunds_at_stripe, expect_stayed, row_of, sign_in, stay

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def undo(conference: Conference) -> Callable[[int], None]:
    """How many seconds a refund can be undone."""

    def wait(seconds: int) -> None:
        conference.undo_seconds = seconds
        conference.save()

    return wait


def open_panel(page: Page, order: Order, amount: str) -> Locator:
    """The refund panel over the order's page, with an amount typed."""
    page.locator("#refund-order").click()
    panel = page.get_by_role("dialog")
    panel.get_by_text("Custom", exact=True).click()
    panel.get_by_label("Custom amount").fill(amount)
    return panel


def refund(page: Page, order: Order, amount: str = "25.00", word: str = "Refund") -> Locator:
    """Do it; returns where the page shows it."""
    open_panel(page, order, amount).get_by_role("button", name=f"{word} €{amount}").click()
    expect(page.locator("#order-refunds .amount").first).to_contain_text(f"€{amount}")
    return page.locator(f"#refund-{order.refunds.latest('pk').pk}")


def test_after_a_refund_it_stands_at_the_refund(
    page: Page, sam: Any, paid_order: Order, undo: Callable[[int], None]
) -> None:
    undo(0)
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")

    expect(refund(page, paid_order)).to_be_focused()
    # The address leads to the first one by now; the page must be loaded for the second all the same.
    expect(refund(page, paid_order, "30.00")).to_be_focused()

    page.keyboard.press("Tab")
    expect(page.locator("#order-refunds .ref").first).to_be_focused()


def test_after_a_proposal_it_stands_at_what_waits(
    page: Page, sam: Any, paid_order: Order, conference: Conference
) -> None:
    conference.support_refund_limit = Decimal("20.00")
    conference.save()
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")

    proposed = refund(page, paid_order, word="Propose")

    expect(proposed).to_be_focused()
    expect(proposed).to_contain_text("Waiting for approval")


@pytest.mark.parametrize("has_script", [True, False])
def test_after_a_note_it_stands_at_the_note(
    open_page: Callable[..., Page], sam: Any, paid_order: Order, has_script: bool
) -> None:
    page = open_page(java_script_enabled=has_script)
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")

    page.locator("#id_note").fill("Called twice.")
    page.get_by_role("button", name="Save note").click()

    note = page.locator(".timeline li", has_text="Called twice.")
    expect(note).to_be_visible()
    expect(note).to_be_focused()


@pytest.mark.parametrize("place", ["toast", "card"])
def test_after_an_undo_it_stands_at_the_refund_and_what_it_says_is_new(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order, undo: Callable[[int], None], place: str
) -> None:
    undo(60)
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")
    card = refund(page, paid_order)
    within = {"toast": page.locator(".toast[data-hold]"), "card": card}[place]

    within.get_by_role("button", name="Undo").click()

    expect(card).to_contain_text("Undone", timeout=3_000)
    expect(card).to_be_focused()
    expect(page).to_have_url(f"/orders/{paid_order.reference}/#refund-{paid_order.refunds.get().pk}")
    expect(page.locator("#toasts")).to_contain_text("was taken back")
    expect_refunds_at_stripe(sandbox, paid_order)


def test_the_end_of_the_seconds_is_seen_at_once_and_moves_nothing(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order, undo: Callable[[int], None]
) -> None:
    undo(3)
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")
    stay(page)
    card = refund(page, paid_order)
    toast = page.locator(".toast[data-hold]")
    asked: list[Route] = []
    page.route("**/send/", lambda route: (asked.append(route), None)[1])
    expect(card).to_be_focused()
    before = (toast.bounding_box(), card.bounding_box())

    expect(toast).to_contain_text("€25.00 is being sent", timeout=10_000)

    expect(toast.get_by_role("button")).to_have_count(0)
    expect(card.get_by_role("button", name="Undo")).to_have_count(0)
    assert (toast.bounding_box(), card.bounding_box()) == before
    asked[0].continue_()
    expect(page.locator("#toasts")).to_contain_text("€25.00 refund sent to Stripe")
    expect(card).to_contain_text("Sent to the attendee's bank", timeout=2_000)
    expect(card).to_be_focused()


def test_undo_too_late_says_so(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order, undo: Callable[[int], None]
) -> None:
    undo(60)
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")
    card = refund(page, paid_order)
    page.locator(".toast[data-hold]").evaluate("toast => toast.remove()")
    other = page.context.new_page()
    other.goto("/orders/")
    other.locator(".toast[data-hold]").get_by_role("button", name="Send now").click()
    expect(other.locator("#toasts")).to_contain_text("refund sent to Stripe")

    card.get_by_role("button", name="Undo").evaluate("button => button.form.submit()")

    expect(page.locator("#toasts")).to_contain_text("It was too late to undo")
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_escape_keeps_a_note_until_it_is_pressed_again(page: Page, sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    stay(page)
    row_of(page, paid_order).get_by_role("link", name="Refund").click()
    panel = page.get_by_role("dialog")
    note = panel.get_by_label("Internal note")
    note.fill("She called from the airport.")

    page.keyboard.press("Escape")

    expect(panel).to_contain_text("Your note is not saved yet.")
    expect(note).to_have_value("She called from the airport.")
    expect(note).to_be_focused()
    page.mouse.click(10, 300)
    expect(panel).to_be_hidden()
    expect_stayed(page)


def test_escape_closes_a_panel_without_a_note_at_once(page: Page, sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    row_of(page, paid_order).get_by_role("link", name="Refund").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("Internal note").fill(" ")

    page.keyboard.press("Escape")

    expect(panel).to_be_hidden()
