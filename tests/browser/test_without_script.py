"""The desk without a script: links and forms alone find, narrow, settle and choose."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Order
from tests.browser.steps import row_of, sign_in
from tests.dashboard.test_attention import add

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page(java_script_enabled=False)


def test_orders_are_filtered_and_sorted(page: Page, sam: Any, paid_order: Order, unpaid_order: Order) -> None:
    sign_in(page, sam)
    page.locator(".filters summary").click()
    page.get_by_label("Total from").fill("100")
    page.get_by_role("button", name="Show orders").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    expect(row_of(page, paid_order)).to_be_visible()

    page.goto("/orders/?q=sjob")
    page.locator(".chips").get_by_role("link", name="Pending payment").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    expect(row_of(page, unpaid_order)).to_be_visible()
    page.locator(".chips").get_by_role("link", name=re.compile("^All")).click()
    page.locator("thead").get_by_role("link", name="Total").click()
    expect(page.locator("tr[data-row]").first).to_have_id(f"order-{unpaid_order.reference}")


def test_an_item_is_settled(page: Page, sam: Any, conference: Conference, order: Order) -> None:
    add(conference, "EXTERNAL", "re_1", order=order)
    sign_in(page, sam)
    page.goto("/attention/")
    page.get_by_text("Settle with a note…").click()
    page.get_by_label("What was done about it").fill("Finance made it at Stripe.")
    page.get_by_role("button", name="Settle", exact=True).click()

    expect(page.locator("#toasts")).to_contain_text("Settled")
    page.goto("/attention/")
    expect(page.get_by_role("main")).to_contain_text("All is well")


def test_a_note_is_kept(page: Page, sam: Any, order: Order) -> None:
    sign_in(page, sam)
    page.goto(f"/orders/{order.reference}/")
    page.get_by_label("Note for colleagues").fill("Called twice")
    page.get_by_role("button", name="Save note").click()

    expect(page.get_by_role("main")).to_contain_text("Called twice")


def test_language_and_theme_are_chosen(page: Page, sam: Any, order: Order) -> None:
    sign_in(page, sam)
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bestellungen")
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Dunkel").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "de")
