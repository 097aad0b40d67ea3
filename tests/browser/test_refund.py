"""Support refunds a paid order from the list, and the row follows."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from registration import stripe_gateway
from registration.models import Order, Refund
from tests.browser.steps import (
    expect_refunds_at_stripe,
    expect_row,
    expect_stayed,
    expect_stepped_back,
    leave_for,
    open_refund,
    row_of,
    search_orders,
    sign_in,
    stay,
)
from tests.cast import PASSWORD
from tests.registration.books import assert_books_agree
from tests.registration.desk import fault, wait_until

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_row_changes_in_place(page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    row = search_orders(page, "sjob", paid_order)
    expect_row(row, refunded="0.00", left="120.00", status="Paid")
    stay(page)

    panel = open_refund(page, row, "25.00")
    expect(panel.locator("#preview")).to_contain_text("€95.00")
    panel.get_by_role("button", name="Refund €25.00").click()

    expect_row(row, refunded="25.00", left="95.00", status="Partially refunded")
    expect(page.get_by_role("status").filter(has_text="€25.00 refund sent to Stripe")).to_be_visible()
    expect(panel).to_be_hidden()
    expect(row.get_by_role("link", name=paid_order.reference, exact=True)).to_be_focused()
    expect_stayed(page)
    expect_refunds_at_stripe(sandbox, paid_order, 2500)
    assert_books_agree()


def test_a_double_click_refunds_once(page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)

    panel = open_refund(page, row_of(page, paid_order), "25.00")
    panel.get_by_role("button", name="Refund €25.00").dblclick()

    expect_row(row_of(page, paid_order), refunded="25.00", left="95.00")
    page.wait_for_load_state("networkidle")
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_back_shows_what_the_form_would_do(page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    page.get_by_label("Store credit", exact=False).first.check()
    expect(page.locator("#preview")).to_contain_text("as store credit")
    page.goto("/refunds/")

    leave_for(page, -1)

    on_card = page.locator("#id_destination_CARD").is_checked()
    assert on_card == ("as store credit" not in page.locator("#preview").inner_text())


def test_without_a_script(
    open_page: Callable[..., Page], sandbox: "SandboxServer", sam: Any, paid_order: Order
) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, sam)
    page.get_by_role("searchbox", name="Search orders").fill("sjob")
    page.keyboard.press("Enter")
    expect(page.locator("tr[data-row]")).to_have_count(1)

    row_of(page, paid_order).get_by_role("link", name="Refund").click()
    page.get_by_text("Custom", exact=True).click()
    page.get_by_label("Custom amount").fill("25")
    page.get_by_role("button", name="Show what happens").click()
    expect(page.locator("#preview")).to_contain_text("€95.00")
    page.get_by_role("button", name="Refund €25.00").dblclick()

    # What the second press finds: done, or Stripe still being asked.
    expect(page.locator("#toasts")).to_contain_text(re.compile("€25.00 (refund sent to Stripe|is being sent)"))
    wait_until(lambda: paid_order.refunds.exclude(state=Refund.State.REQUESTED).exists())
    page.goto("/orders/?q=sjob")
    expect_row(row_of(page, paid_order), refunded="25.00", left="95.00", status="Partially refunded")
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_with_the_keyboard_alone(page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order) -> None:
    keys = page.keyboard
    page.goto("/")
    keys.type(sam.username)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
    page.wait_for_load_state()

    keys.press("/")
    keys.type("sjob")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    keys.press("Tab")
    keys.press("j")
    expect(row_of(page, paid_order).get_by_role("link", name=paid_order.reference, exact=True)).to_be_focused()
    keys.press("r")
    expect(page.get_by_role("dialog").get_by_role("radio", name="Full")).to_be_focused()
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("Tab")
    keys.type("25")
    keys.press("Control+Enter")

    expect_row(row_of(page, paid_order), refunded="25.00", left="95.00", status="Partially refunded")
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_a_session_that_ends_in_the_panel(page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    row = search_orders(page, "sjob", paid_order)
    panel = open_refund(page, row, "25.00")
    Session.objects.all().delete()

    panel.get_by_role("button", name="Refund €25.00").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_label("Email or user name").fill(sam.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("searchbox", name="Search orders")).to_have_value("sjob")
    expect_row(row, refunded="0.00", left="120.00", status="Paid")
    expect_refunds_at_stripe(sandbox, paid_order)


def test_stripe_does_not_answer(
    page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_gateway, "READ_SECONDS", 0.4)
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    sign_in(page, sam)
    row = row_of(page, paid_order)
    panel = open_refund(page, row, "25.00")

    with fault(sandbox, "timeout_after_commit", seconds=1, method="POST"):
        panel.get_by_role("button", name="Refund €25.00").click()
        expect(panel).to_contain_text("Stripe did not answer. We are checking whether €25.00 was refunded.")
    expect_row(row, left="95.00", status="25.00 being verified")
    panel.get_by_role("link", name="Close", exact=True).last.click()
    expect_stepped_back(page)
    page.goto(f"/orders/{paid_order.reference}/")
    expect(page.get_by_role("main")).to_contain_text(
        "Stripe did not answer. We are checking whether €25.00 was refunded."
    )
    monkeypatch.undo()
    page.get_by_role("button", name="Check now").click()

    expect(page.get_by_role("main")).to_contain_text("Succeeded")
    expect_refunds_at_stripe(sandbox, paid_order, 2500)
    assert_books_agree()


def test_a_reload_keeps_what_was_typed(page: Page, sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    page.get_by_text("Custom", exact=True).click()
    page.get_by_label("Custom amount").fill("12.50")
    page.get_by_label("Internal note").fill("Missed the train")
    nonce = page.locator("[name=nonce]").input_value()

    page.reload()

    expect(page.get_by_label("Custom amount")).to_have_value("12.50")
    expect(page.get_by_label("Internal note")).to_have_value("Missed the train")
    expect(page.get_by_role("button", name="Refund €12.50")).to_be_visible()
    assert page.locator("[name=nonce]").input_value() != nonce
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    expect(page.get_by_label("Internal note")).to_have_value("")


def test_in_german_the_symbol_stands_behind_the_amount(page: Page, sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    page.context.add_cookies([{"name": "django_language", "value": "de", "url": page.url}])
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    page.locator("label:has(#id_mode_custom)").click()

    field, symbol = page.locator("#id_amount"), page.locator(".input-money:has(#id_amount) .input-group-text")

    assert (symbol.bounding_box() or {})["x"] > (field.bounding_box() or {})["x"]
