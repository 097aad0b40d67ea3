"""A selection of orders: by mouse, by keyboard and without a script."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.lists import paging
from registration.models import Order
from tests.browser.steps import row_of, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_bar_follows_the_boxes_and_exports_them(
    page: Page, find_breaches: Callable[..., list[str]], grace: Any, crowd: list[Order]
) -> None:
    sign_in(page, grace)
    bar = page.locator("#bulkbar")
    row_of(page, crowd[0]).get_by_role("checkbox").check()
    expect(bar).to_contain_text("1 selected €80.00 refundable in 1 order.")
    page.get_by_role("checkbox", name="Select all orders on this page").check()
    expect(bar).to_contain_text("3 selected €240.00 refundable in 3 orders.")
    expect(bar.locator(".bulkbar")).to_be_in_viewport()
    assert find_breaches(page) == []

    with page.expect_download() as download:
        bar.get_by_role("button", name="Export").click()
    assert all(order.reference in download.value.path().read_text() for order in crowd)

    bar.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    expect(bar).to_be_empty()


def test_x_ticks_the_row_the_keyboard_is_on(page: Page, grace: Any, crowd: list[Order]) -> None:
    sign_in(page, grace)
    for key in ("j", "j", "x"):
        page.keyboard.press(key)
    # Newest first, so the second row is the middle one.
    expect(row_of(page, crowd[1]).get_by_role("checkbox")).to_be_checked()
    expect(page.locator("#bulkbar")).to_contain_text("1 selected")


def test_all_that_match_can_be_chosen_beyond_the_page(
    page: Page, grace: Any, crowd: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    sign_in(page, grace)
    page.get_by_role("checkbox", name="Select all orders on this page").check()
    page.get_by_role("button", name="Select all 3").click()
    expect(page.locator("#bulkbar")).to_contain_text("All 3 that match selected")
    row_of(page, crowd[2]).get_by_role("checkbox").uncheck()
    expect(page.locator("#bulkbar")).to_contain_text("1 selected")


def test_without_a_script_the_form_adds_up(open_page: Callable[..., Page], grace: Any, crowd: list[Order]) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, grace)
    expect(page.locator("[data-select-all]")).to_be_hidden()
    row_of(page, crowd[0]).get_by_role("checkbox").check()
    page.get_by_role("button", name="Add up the selected orders").click()
    expect(page.get_by_role("main")).to_contain_text("1 order selected. €80.00 refundable in 1 order.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export the selected orders").click()
    assert crowd[0].reference in download.value.path().read_text()


def test_ticked_line_items_say_what_they_come_to_and_open_the_panel(
    page: Page, find_breaches: Callable[..., list[str]], grace: Any, crowd: list[Order]
) -> None:
    sign_in(page, grace)
    page.goto(f"/orders/{crowd[0].reference}/")
    page.locator("[name=lines]").check()
    expect(page.locator("#lines-foot")).to_contain_text("1 item selected, €80.00")
    assert find_breaches(page) == []
    page.get_by_role("button", name="Refund selected €80.00…").click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("checkbox", checked=True)).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator("#lines-foot").get_by_role("button", name="Clear").click()
    expect(page.locator("#lines-foot")).not_to_contain_text("selected,")
