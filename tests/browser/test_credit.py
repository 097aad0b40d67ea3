"""Finance pays a pending order from credit, in part and then fully, and every row it touches follows."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from registration.models import Conference, Credit, Order
from tests.browser.steps import expect_row, expect_stayed, row_of, search_orders, sign_in, stay
from tests.cast import make_credit
from tests.registration.books import assert_books_agree

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def credit(conference: Conference, linnea: Any) -> Credit:
    return make_credit(conference, linnea, "80.00")


def open_panel(page: Page, place: Locator) -> Locator:
    place.get_by_role("link", name="Apply credit").click()
    return page.get_by_role("dialog")


def apply(page: Page, place: Locator, amount: str) -> None:
    panel = open_panel(page, place)
    panel.get_by_label("Amount").fill(amount)
    panel.get_by_role("button", name=f"Apply €{amount}").click()
    expect(page.get_by_role("status").filter(has_text=f"€{amount} credit applied")).to_be_visible()
    expect(panel).to_be_hidden()


def test_the_rows_of_the_list_change_in_place(page: Page, grace: Any, unpaid_order: Order, credit: Credit) -> None:
    sign_in(page, grace)
    row = search_orders(page, "sjob", unpaid_order)
    expect_row(row, paid="0.00", status="Pending payment")
    stay(page)

    apply(page, row, "20.00")
    expect_row(row, paid="20.00", status="Pending payment")
    panel = open_panel(page, row)
    expect(panel).to_contain_text("€30.00 due")
    panel.get_by_role("button", name="Apply €30.00").click()

    expect_row(row, paid="50.00", left="50.00", status="Paid")
    expect_stayed(page)
    credit.refresh_from_db()
    assert str(credit.remaining_amount) == "30.00"
    assert_books_agree()


def test_order_and_credit_change_on_the_attendee_page(
    page: Page, grace: Any, linnea: Any, unpaid_order: Order, credit: Credit
) -> None:
    sign_in(page, grace)
    page.goto("/credits/")
    page.get_by_role("combobox").press_sequentially("sjob")
    page.get_by_role("option").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Linnea Sjöberg")
    stay(page)
    credit_row = page.get_by_role("row").filter(has=page.get_by_role("link", name=credit.number, exact=True)).first

    apply(page, page.get_by_role("main"), "20.00")
    expect(page.locator(".rail")).to_contain_text("€30.00")
    expect(credit_row).to_contain_text("60.00")
    apply(page, page.get_by_role("main"), "30.00")

    expect(credit_row).to_contain_text("30.00")
    expect(page.get_by_role("main").get_by_role("link", name="Apply credit")).to_have_count(0)
    expect_stayed(page)
    unpaid_order.refresh_from_db()
    assert unpaid_order.status == Order.Status.PAID
    assert_books_agree()


def test_without_a_script(open_page: Callable[..., Page], grace: Any, unpaid_order: Order, credit: Credit) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, grace)

    for amount, status in (("20.00", "Pending payment"), ("30.00", "Paid")):
        page.goto("/orders/?q=sjob")
        row_of(page, unpaid_order).get_by_role("link", name="Apply credit").click()
        page.get_by_label("Amount").fill(amount)
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("#toasts")).to_contain_text(f"€{amount} credit applied")
        page.goto("/orders/?q=sjob")
        expect_row(row_of(page, unpaid_order), status=status)

    expect_row(row_of(page, unpaid_order), paid="50.00")
    assert_books_agree()
