"""What each role is offered, and that what is not offered is not there."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from registration.models import Conference, Order
from tests.browser.steps import row_of, sign_in
from tests.cast import make_credit, make_staff
from tests.dashboard.test_attention import add

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS = {"Orders", "Refunds", "Credits"}
PAGES = {"Viewer": LOOKS, "Support": LOOKS, "Administrator": LOOKS, "Finance": LOOKS | {"Overview"}}
MONEY = ("Support", "Finance")


@pytest.fixture
def desk(conference: Conference, linnea: Any, paid_order: Order, unpaid_order: Order) -> None:
    """Something to do for everybody who may do something."""
    make_credit(conference, linnea, "50.00")
    add(conference, "EXTERNAL", "re_1", order=paid_order)


@pytest.mark.parametrize("role", ["Viewer", "Support", "Finance", "Administrator"])
def test_a_role_sees_its_work(
    page: Page, desk: None, conference: Conference, linnea: Any, paid_order: Order, unpaid_order: Order, role: str
) -> None:
    sign_in(page, make_staff("ida", role, conference, last_name="Rhodes"))
    offers, owns = role in MONEY, role == "Finance"

    names = page.get_by_role("navigation", name="Main").get_by_role("link").all_inner_texts()
    assert PAGES[role] <= set(names)
    assert owns == ("Overview" in names)
    shows(page, row_of(page, paid_order).get_by_role("link", name="Refund"), offers)
    shows(page, row_of(page, unpaid_order).get_by_role("link", name="Apply credit"), offers)
    shows(page, page.get_by_role("link", name="Export"), owns)

    page.goto(f"/orders/{paid_order.reference}/")
    shows(page, page.locator(".page-actions").get_by_role("link", name="Refund"), offers)
    shows(page, page.get_by_role("button", name="Save note"), offers)

    page.goto(f"/attendees/{linnea.pk}/")
    shows(page, page.get_by_role("link", name="Apply credit…"), offers)
    shows(page, page.get_by_role("link", name="Issue credit…"), owns)

    page.goto("/attention/")
    shows(page, page.get_by_text("Settle with a note…"), offers)


def shows(page: Page, part: Any, offered: bool) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if offered:
        expect(part.first).to_be_visible()
    else:
        expect(part).to_have_count(0)


def test_a_colleague_of_no_conference_is_told_so(page: Page, db: None) -> None:
    user = make_staff("newcomer", "Support")
    page.goto("/login/")
    page.get_by_label("Email or user name").fill(user.username)
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("main")).to_contain_text("No conference is yours to see yet")


def test_a_phone_leads_to_all_queues_by_the_account_menu(page: Page, desk: None, conference: Conference) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, make_staff("ida", "Finance", conference, last_name="Rhodes"))
    page.locator(".user-menu summary").click()
    queues = page.get_by_role("navigation", name="All queues")
    expect(page.get_by_role("navigation", name="Queues", exact=True)).to_have_count(1)

    queues.get_by_role("link", name="Stripe events").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Stripe events")
