"""A row's menu comes when it is opened, and closes like any other."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Order
from tests.browser.steps import row_of, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_menu_is_fetched_when_it_is_opened(page: Page, grace: Any, crowd: list[Order]) -> None:
    sign_in(page, grace)
    row = row_of(page, crowd[1])
    opener = row.locator("summary")
    opener.focus()
    page.keyboard.press("Enter")

    expect(row.get_by_role("link", name="Open order")).to_be_visible()
    expect(row.get_by_role("link", name="Attendee’s credits")).to_be_visible()
    page.keyboard.press("Escape")
    expect(row.get_by_role("link", name="Open order")).to_be_hidden()
    expect(opener).to_be_focused()
