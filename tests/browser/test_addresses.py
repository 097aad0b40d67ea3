"""A filtered list is an address: it survives Back, Forward, a reload and a colleague's bookmark."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from registration.models import Conference, OpenItem, Order
from registration.services.refund import RefundService
from tests.browser.steps import leave_for, row_of, sign_in
from tests.cast import make_credit
from tests.dashboard.test_attention import add

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Kind = OpenItem.Kind


def rows(page: Page) -> Locator:
    return page.locator("[data-row]")


def chip(page: Page, name: str) -> Locator:
    return page.locator(".chips").get_by_role("link", name=name)


def assert_address_holds(page: Page, another: Page, *, count: int, current: str, asks: str) -> None:
    """The list is the same after a reload, and in another browser that was given the address.

    Rows do not tell that the list has come: those of the list before may look the same. Its address does, by ``asks``.
    """
    expect(page).to_have_url(re.compile(re.escape(asks)))
    for each in (page, another):
        each.goto(page.url)
        expect(rows(each)).to_have_count(count)
        expect(each.locator(".chip[aria-current]")).to_contain_text(current)


@pytest.fixture
def another(open_page: Callable[..., Page], linus: Any) -> Page:
    """A colleague's browser."""
    page = open_page()
    sign_in(page, linus)
    return page


def test_orders(page: Page, another: Page, grace: Any, paid_order: Order, unpaid_order: Order) -> None:
    sign_in(page, grace)
    page.get_by_role("searchbox").press_sequentially("sjob")
    expect(rows(page)).to_have_count(2)
    chip(page, "Paid").click()
    expect(rows(page)).to_have_count(1)
    page.locator("thead").get_by_role("link", name="Total").click()
    assert_address_holds(page, another, count=1, current="Paid", asks="sort=")

    leave_for(page, -1)
    expect(page).to_have_url(re.compile("status=PAID$"))
    leave_for(page, -1)
    expect(page.locator("#chip-1")).to_have_attribute("aria-current", "true")
    expect(rows(page)).to_have_count(2)
    expect(page.get_by_role("searchbox")).to_have_value("sjob")
    leave_for(page, 1)
    expect(rows(page)).to_have_count(1)
    page.reload()
    expect(row_of(page, paid_order)).to_be_visible()


def test_filters_of_the_panel(page: Page, another: Page, grace: Any, paid_order: Order, unpaid_order: Order) -> None:
    sign_in(page, grace)
    page.locator(".filters summary").click()
    page.get_by_label("Total from").fill("100")
    page.get_by_label("Total from").press("Tab")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(re.compile("least=100"))

    another.goto(page.url)
    expect(row_of(another, paid_order)).to_be_visible()
    expect(rows(another)).to_have_count(1)
    leave_for(page, -1)
    expect(rows(page)).to_have_count(5)


def test_a_filter_that_cannot_be_read(page: Page, grace: Any, paid_order: Order) -> None:
    sign_in(page, grace)
    page.locator(".filters summary").click()
    field, button = page.get_by_label("Total from"), page.get_by_role("button", name="Show orders")
    field.fill("abc")
    button.click()
    expect(page.locator("#orders [role=alert]")).to_contain_text("Total from: “abc” was left out.")
    expect(page.locator("#id_least_error")).to_contain_text("Enter an amount like 12.50.")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_visible()
    expect(page.locator("#filter-count")).to_be_hidden()
    expect(rows(page)).to_have_count(4)

    field.fill("100")
    button.click()
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#orders [role=alert]")).to_have_count(0)
    expect(field).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 390])
def test_an_address_that_cannot_be_read_covers_its_warning_with_nothing(
    page: Page, grace: Any, paid_order: Order, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    sign_in(page, grace)

    page.goto("/orders/?least=abc")

    warning, field = page.locator("#orders [role=alert]"), page.get_by_label("Total from")
    expect(warning).to_contain_text("Total from: “abc” was left out.")
    # What lies under something else takes no press.
    warning.locator("b").click(trial=True)
    expect(field).to_be_hidden()
    page.locator(".filters summary").click()
    expect(field).to_have_value("abc")
    expect(page.locator("#id_least_error")).to_contain_text("Enter an amount like 12.50.")


def test_refunds(page: Page, another: Page, grace: Any, paid_order: Order) -> None:
    for state in ("succeeded", "failed", "failed"):
        paid_order.refunds.create(amount="1.00", state=state, destination="CARD")
    sign_in(page, grace)
    page.goto("/refunds/")
    chip(page, "Failed").click()
    expect(rows(page)).to_have_count(2)
    assert_address_holds(page, another, count=2, current="Failed", asks="state=failed")
    leave_for(page, -1)
    expect(rows(page)).to_have_count(3)


def test_credits(page: Page, another: Page, grace: Any, linnea: Any, conference: Conference) -> None:
    make_credit(conference, linnea, "20.00")
    make_credit(conference, linnea, "30.00", remaining_amount="0.00", status="VOIDED")
    sign_in(page, grace)
    page.goto("/credits/")
    expect(rows(page)).not_to_have_count(0)
    before = rows(page).count()
    page.locator(".chips a").nth(1).click()
    expect(page.locator(".chips a").nth(1)).to_have_attribute("aria-current", "true")
    kept, name = rows(page).count(), page.locator(".chips a").nth(1).inner_text()
    assert_address_holds(page, another, count=kept, current=name, asks="?")
    leave_for(page, -1)
    expect(rows(page)).to_have_count(before)


def test_what_needs_attention(page: Page, another: Page, grace: Any, conference: Conference, order: Order) -> None:
    add(conference, Kind.EXTERNAL, "re_1", order=order)
    add(conference, Kind.OVERPAID, "pi_1", order=order)
    sign_in(page, grace)
    page.goto("/attention/")
    chip(page, "Overpaid").click()
    expect(rows(page)).to_have_count(1)
    assert_address_holds(page, another, count=1, current="Overpaid", asks="?")
    leave_for(page, -1)
    expect(rows(page)).to_have_count(2)


def test_an_open_panel_can_be_linked(page: Page, another: Page, sam: Any, paid_order: Order) -> None:
    sign_in(page, sam)
    row_of(page, paid_order).get_by_role("link", name="Refund").click()
    expect(page.get_by_role("dialog")).to_be_visible()

    page.goto(f"/orders/?refund={paid_order.reference}")

    expect(page.get_by_role("dialog", name=f"Refund {paid_order.reference}")).to_be_visible()


def test_refunds_narrowed_by_the_panel(page: Page, another: Page, grace: Any, paid_order: Order) -> None:
    for amount, reason in (("2.00", "Programme changed"), ("3.00", "")):
        RefundService.create_refund(
            paid_order, amount=Decimal(amount), destination="CREDIT", internal_reason=reason, staff_user=grace
        )
    sign_in(page, grace)
    page.goto(reverse("refund_list"))
    expect(chip(page, "Succeeded")).to_contain_text("2")
    page.locator("details.filters summary").click()
    page.get_by_label("Reason").select_option("Programme changed")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#filter-count")).to_have_text("1")
    expect(page.get_by_role("link", name="Export")).to_have_attribute("href", re.compile(r"reason=Programme\+changed$"))
    page.keyboard.press("Escape")
    chip(page, "Succeeded").click()
    page.wait_for_url("**/refunds/?state=succeeded&reason=Programme+changed")
    page.get_by_role("searchbox").press_sequentially(paid_order.reference)
    page.wait_for_url(f"**/refunds/?q={paid_order.reference}&**")
    expect(chip(page, "Succeeded")).to_contain_text("1")
    assert_address_holds(page, another, count=1, current="Succeeded", asks="reason=")
