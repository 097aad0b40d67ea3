"""A session that ends while somebody types: back to the same place after signing in, with nothing lost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from registration.models import Order
from tests.browser.steps import expect_refunds_at_stripe, open_refund, search_orders, sign_in
from tests.cast import PASSWORD

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sign_in_again(page: Page, user: Any) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("Email or user name").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_the_panel_is_filled_in_again(page: Page, sandbox: "SandboxServer", sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    panel = open_refund(page, search_orders(page, "sjob", paid_order), "25.00")
    panel.get_by_label("Internal note").fill("Missed the train")
    Session.objects.all().delete()

    panel.get_by_role("button", name="Refund €25.00").click()
    sign_in_again(page, sam)

    expect(panel).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search orders", include_hidden=True)).to_have_value("sjob")
    expect(panel.get_by_label("Custom amount")).to_have_value("25.00")
    expect(panel.get_by_label("Internal note")).to_have_value("Missed the train")
    expect(page.get_by_role("alert").filter(has_text="You were signed out before this was sent")).to_be_visible()
    expect_refunds_at_stripe(sandbox, paid_order)
    panel.get_by_role("button", name="Refund €25.00").click()
    expect(panel).to_be_hidden()
    expect_refunds_at_stripe(sandbox, paid_order, 2500)


def test_a_note_outlives_signing_in_elsewhere(page: Page, sam: Any, order: Order) -> None:
    """Signing in changes the token that every form carries, so the open page is too old by then."""
    sign_in(page, sam)
    page.goto(f"/orders/{order.reference}/")
    page.get_by_label("Note for colleagues").fill("A whole thought")
    Session.objects.all().delete()
    other = page.context.new_page()
    other.goto("/login/")
    sign_in_again(other, sam)
    expect(other.get_by_role("heading", level=1)).to_have_text("Orders")

    page.get_by_role("button", name="Save note").click()
    page.get_by_role("link", name="Open it again").click()
    expect(page.get_by_role("alert").filter(has_text="You were signed out before this was sent")).to_be_visible()
    expect(page.get_by_label("Note for colleagues")).to_have_value("A whole thought")
    page.get_by_role("button", name="Save note").click()

    expect(page.get_by_role("main")).to_contain_text("Sam Gamgee wrote a note")


def test_a_page_of_its_own_is_filled_in_again(page: Page, sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    page.get_by_text("Custom", exact=True).click()
    page.get_by_label("Custom amount").fill("12,50")
    Session.objects.all().delete()

    page.locator("#refund-submit").click()
    sign_in_again(page, sam)

    expect(page.get_by_label("Custom amount")).to_have_value("12,50")


def test_what_was_sent_is_not_offered_again(page: Page, sam: Any, order: Order) -> None:
    sign_in(page, sam)
    page.goto(f"/orders/{order.reference}/")
    page.get_by_label("Note for colleagues").fill("A whole thought")
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_role("main")).to_contain_text("Sam Gamgee wrote a note")

    page.goto("/orders/")
    assert page.evaluate("sessionStorage.getItem('unsent')") is None
    expect(page.get_by_role("alert")).to_have_count(0)


def test_without_a_script_the_page_before_still_has_it(
    open_page: Callable[..., Page], sam: Any, paid_order: Order
) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    page.get_by_label("Internal note").fill("Missed the train")
    Session.objects.all().delete()

    page.locator("#refund-submit").click()

    expect(page.get_by_role("main")).to_contain_text("What you typed is still on the page before this one.")
    sign_in_again(page, sam)
    expect(page.locator("#drawer-title")).to_have_text(f"Refund {paid_order.reference}")
