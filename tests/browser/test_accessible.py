"""Every page, panel and menu, in every width and theme, judged by axe-core and by what else would hinder somebody."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from registration.models import Conference
from tests.browser.judge import Judge
from tests.browser.scene import furnish
from tests.browser.steps import expect_stepped_back, open_refund, row_of, sign_in
from tests.cast import client_of
from tests.dashboard.test_permissions import MAY, POST_ONLY, Things

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PIECES = {
    "home",
    "order_row",
    "order_lines",
    "order_menu",
    "order_why_not",
    "changes",
    "order_export",
    "order_history_export",
    "refund_export",
    "credit_export",
    "ledger_export",
    "order_account_export",
    "books_export",
    "books_movements",
    "comparison_progress",
    "attendee_search",
}
"""Addresses that answer with a part of a page, a file or another address."""
PAGES = sorted(set(MAY) - POST_ONLY - PIECES)
PARTS = 6
"""The walk is cut into parts, so that two browsers can share it."""
FILTERED = {
    "orders, none found": "/orders/?q=nobody",
    "orders, filtered": "/orders/?status=PAID&refundable=true&least=10&sort=-refundable",
    "orders, panel linked": "/orders/?refund={reference}",
    "refunds, none found": "/refunds/?q=RF-9999",
    "credits, people": "/credits/?q=linnea",
    "credits, used": "/credits/?state=used",
    "credits, nobody": "/credits/?q=zz",
    "attention, settled kind": "/attention/?kind=external",
    "not found": "/orders/ORD-NONE/",
}


@pytest.fixture
def things(conference: Conference, linnea: Any, grace: Any, sandbox: "SandboxServer") -> Things:
    return furnish(conference, linnea, grace, sandbox)


@pytest.fixture
def judge(page: Page, find_breaches: Callable[..., list[str]]) -> Iterator[Judge]:
    judge = Judge(page, find_breaches)
    yield judge
    assert not judge.findings, "\n".join(judge.findings)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page(page: Page, judge: Judge, things: Things, grace: Any, part: int) -> None:
    sign_in(page, grace)
    asked = client_of(grace)

    for name in PAGES[part::PARTS]:
        address = things.url(name)
        assert is_page(asked, address), f"{name} is no page: name it among the pieces."
        judge.visit(name, address)


def is_page(client: Client, address: str) -> bool:
    return b"<!doctype html>" in client.get(address, follow=True).content[:40]


@pytest.mark.parametrize("language", ["en", "de"])
def test_other_faces_of_pages(page: Page, judge: Judge, things: Things, grace: Any, language: str) -> None:
    sign_in(page, grace)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": page.url}])

    for name, address in FILTERED.items() if language == "en" else GERMAN.items():
        judge.visit(f"{name} ({language})", address.format(reference=things.order.reference, pk=things.order.user_id))


GERMAN = {
    "orders": "/orders/",
    "order": "/orders/{reference}/",
    "refund form": "/orders/{reference}/refunds/new/",
    "attention": "/attention/",
    "attendee": "/attendees/{pk}/",
    "overview": "/overview/",
}
"""Where German words are longest."""


def test_pages_before_signing_in(page: Page, judge: Judge, grace: Any) -> None:
    judge.visit("sign in", "/login/")
    page.get_by_label("Email or user name").fill(grace.username)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_focused()
    judge.look("sign in refused")


def test_the_page_that_says_no(page: Page, judge: Judge, linus: Any, things: Things) -> None:
    sign_in(page, linus)
    judge.visit("not allowed", f"/orders/{things.order.reference}/refunds/new/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your role does not allow this")


def test_what_opens_over_the_list(page: Page, judge: Judge, things: Things, grace: Any) -> None:
    sign_in(page, grace)
    for name, menu in {"filters": ".filters", "conferences": ".switcher", "account": ".user-menu"}.items():
        judge.look_into(f"{name} menu", page.locator(menu))
    judge.look_into("row menu", row_of(page, things.order).locator("details.menu"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    judge.look("shortcuts")
    page.keyboard.press("Escape")
    row_of(page, things.order).get_by_role("checkbox").check()
    expect(page.locator("#bulkbar")).to_contain_text("1 selected")
    judge.look("selection")


def test_the_refund_panel_in_its_states(page: Page, judge: Judge, things: Things, grace: Any) -> None:
    sign_in(page, grace)
    panel = open_refund(page, row_of(page, things.order), "25.00")
    judge.look("refund panel")
    panel.get_by_role("radio", name="Card refund plus the same again").check()
    expect(panel.locator("#refund-submit")).to_have_text("Pay out €50.00")
    judge.look("refund panel, twice")
    panel.get_by_role("radio", name="Store credit Usable").check()
    expect(panel.locator("#refund-submit")).to_have_text("Refund €25.00")
    panel.get_by_label("Custom amount").fill("9999")
    panel.get_by_label("Custom amount").press("Control+Enter")
    expect(panel.get_by_role("alert")).to_be_focused()
    judge.look("refund panel, refused")


def test_the_credit_panels(page: Page, judge: Judge, things: Things, grace: Any) -> None:
    sign_in(page, grace)
    page.goto(f"/attendees/{things.order.user_id}/")
    for button in ("Apply credit…", "Issue credit…"):
        open_and_look(page, judge, button)
    page.goto(f"/credits/{things.credit.pk}/")
    for button in ("Adjust…", "Extend…", "Void…"):
        if page.get_by_role("link", name=button).count():
            open_and_look(page, judge, button)
    page.goto("/credits/")
    page.get_by_role("combobox").press_sequentially("sjob")
    expect(page.get_by_role("option").first).to_be_visible()
    judge.look("attendees found")


def open_and_look(page: Page, judge: Judge, button: str) -> None:
    page.get_by_role("link", name=button).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    judge.look(f"{button} panel")
    page.keyboard.press("Escape")
    expect_stepped_back(page)
