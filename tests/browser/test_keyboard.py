"""The desk by keyboard: moving, opening, selecting, going elsewhere, and where the focus lands afterwards."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Order
from tests.browser.steps import row_of, sign_in
from tests.cast import make_credit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def test_rows_are_walked_and_opened(page: Page, grace: Any, crowd: list[Order]) -> None:
    sign_in(page, grace)
    press(page, "j j k")
    expect(row_of(page, crowd[2])).to_have_attribute("aria-current", "true")
    expect(row_of(page, crowd[2]).locator("[data-row-link]")).to_be_focused()
    press(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(crowd[2].reference)


def test_a_refund_is_opened_closed_and_sent_without_a_mouse(
    page: Page, grace: Any, crowd: list[Order], paid_order: Order
) -> None:
    sign_in(page, grace)
    press(page, "j r")
    panel = page.get_by_role("dialog")
    expect(panel.locator("#preview")).to_be_visible()
    press(page, "Escape")
    expect(panel).to_have_count(0)
    expect(page.locator(f"#refund-{paid_order.reference}")).to_be_focused()

    press(page, "r")
    panel.get_by_text("Store credit", exact=True).click()
    expect(panel.get_by_role("button", name="Refund €120.00")).to_be_visible()
    press(page, "Control+Enter")
    expect(panel).to_have_count(0)
    # Its button is gone with what could be refunded, so the focus is on the row's link.
    expect(row_of(page, paid_order).locator("[data-row-link]")).to_be_focused()


def test_credit_is_offered_by_its_key(
    page: Page, sam: Any, conference: Conference, linnea: Any, unpaid_order: Order
) -> None:
    make_credit(conference, linnea, "50.00")
    sign_in(page, sam)
    press(page, "j c")
    expect(page.get_by_role("dialog")).to_contain_text("Apply")


def test_two_keys_lead_to_the_pages(page: Page, grace: Any, crowd: list[Order]) -> None:
    sign_in(page, grace)
    for keys, title in (("g c", "Credits"), ("g a", "Needs attention"), ("g r", "Refunds"), ("g v", "Overview")):
        press(page, keys)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
    press(page, "g o")
    expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
    press(page, "/")
    expect(page.get_by_role("searchbox", name="Search orders")).to_be_focused()


def test_the_list_of_keys_turns_them_off_for_good(page: Page, grace: Any, crowd: list[Order]) -> None:
    sign_in(page, grace)
    press(page, "?")
    switch = page.get_by_role("switch", name="Use single-key shortcuts")
    with page.expect_response("**/keys/"):
        switch.uncheck()
    press(page, "Escape")
    page.reload()
    press(page, "j")
    expect(page.locator("[aria-current=true][data-row]")).to_have_count(0)
    page.get_by_text("Account menu").locator("..").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(switch).not_to_be_checked()


def test_a_key_that_does_nothing_says_why(page: Page, sam: Any, paid_order: Order, unpaid_order: Order) -> None:
    sign_in(page, sam)
    said = page.get_by_role("status").filter(has_text="cannot be refunded now")
    press(page, "j r")
    expect(said).to_contain_text("Not refundable: nothing was paid yet.")
    press(page, "r")
    expect(page.locator("#toasts .toast")).to_have_count(1)
    expect(row_of(page, unpaid_order).locator("[data-row-link]")).to_be_focused()

    press(page, "j c")
    expect(page.locator("#toasts")).to_contain_text("is not waiting for payment. Credit can only pay pending orders.")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.goto(f"/orders/{unpaid_order.reference}/")
    press(page, "r")
    expect(said).to_contain_text("Not refundable: nothing was paid yet.")
    page.goto("/credits/")
    press(page, "c")
    expect(page.get_by_role("status").filter(has_text="This key is for an order.")).to_be_visible()
