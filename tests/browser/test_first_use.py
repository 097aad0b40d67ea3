"""A conference where nothing was ordered yet: no tools for what is not there, until it is."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Membership
from tests.browser.steps import row_of, sign_in
from tests.cast import PASSWORD, make_order

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_tools_come_with_the_first_order(page: Page, conference: Conference, grace: Any, linnea: Any) -> None:
    sign_in(page, grace)
    tools = [
        page.get_by_role("searchbox", name="Search orders"),
        page.get_by_role("navigation", name="Filter by status"),
        page.get_by_role("link", name="Export"),
    ]
    expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()
    for tool in tools:
        expect(tool).to_be_hidden()

    order = make_order(conference, linnea, paid="80.00")
    page.reload()

    expect(row_of(page, order)).to_be_visible()
    for tool in tools:
        expect(tool).to_be_visible()


def test_who_belongs_to_no_conference_is_told_what_is_missing(page: Page, grace: Any) -> None:
    Membership.objects.filter(user=grace).delete()
    page.goto("/")
    page.get_by_label("Email or user name").fill(grace.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("No conference is yours to see yet")
    expect(page.get_by_role("main")).to_contain_text("A colleague who looks after roles adds you to a conference")


def test_a_search_that_finds_nothing_keeps_the_tools(page: Page, conference: Conference, grace: Any) -> None:
    sign_in(page, grace)
    page.goto("/orders/?q=nobody")

    expect(page.get_by_role("heading", name="No orders match “nobody”")).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search orders")).to_be_visible()
    expect(page.get_by_role("navigation", name="Filter by status")).to_be_visible()
