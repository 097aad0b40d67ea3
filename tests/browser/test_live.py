"""Two people at once: one acts, the other's open page shows it within seconds, and nobody loses what they are doing."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, Route, expect

from registration.models import Conference, OpenItem, Order, Refund
from registration.services.approval import withdraw_refund
from registration.services.attention import acknowledge
from registration.services.errors import RefundProposed
from registration.services.refund import RefundService
from tests.browser.steps import row_of, sign_in
from tests.cast import make_credit, make_order, make_staff
from tests.dashboard.open_items import add

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SOON_MS = 8000
NOTE_WHAT_IS_HIT = """
([x, y]) => {
  window.hit = [];
  document.addEventListener("head:changed", () => {
    window.hit.push(document.elementFromPoint(x, y)?.closest("#refund-head") ? "the head" : "nothing");
  });
}
"""
"""What would take a press where the pointer is, at the moment when the head changed under it."""


def refund(order: Order, amount: str = "5.00") -> Refund:
    RefundService.create_refund(order, amount=Decimal(amount), destination=Refund.Destination.CREDIT)
    return order.refunds.latest("pk")


def test_the_list_follows_and_moves_no_row(
    open_page: Callable[..., Page], linus: Any, crowd: list[Order], conference: Conference, ada: Any
) -> None:
    page = open_page()
    sign_in(page, linus)
    last = row_of(page, crowd[0])
    before = last.bounding_box()

    refund(crowd[1])
    make_order(conference, ada, paid="9.00")

    expect(row_of(page, crowd[1])).to_contain_text("Partially refunded", timeout=SOON_MS)
    expect(page.locator("#order-chips")).to_contain_text("Partially refunded 1", timeout=SOON_MS)
    expect(page.locator("#announce")).to_contain_text(crowd[1].reference)
    fresh = page.get_by_role("link", name="1 new order")
    expect(fresh).to_be_visible(timeout=SOON_MS)
    assert last.bounding_box() == before
    fresh.click()
    expect(page.locator("tr[data-row]")).to_have_count(4)
    expect(fresh).to_have_count(0)


def test_a_row_that_has_the_focus_waits_until_it_is_left(
    open_page: Callable[..., Page], linus: Any, crowd: list[Order]
) -> None:
    page = open_page()
    sign_in(page, linus)
    link = row_of(page, crowd[1]).get_by_role("link").first
    link.focus()

    refund(crowd[1])

    expect(page.locator("#announce")).to_contain_text(crowd[1].reference, timeout=SOON_MS)
    expect(link).to_be_focused()
    expect(row_of(page, crowd[1])).not_to_contain_text("Partially refunded")
    page.locator("#q").focus()
    expect(row_of(page, crowd[1])).to_contain_text("Partially refunded", timeout=SOON_MS)
    expect(page.locator("#q")).to_be_focused()


def test_the_order_follows_while_a_note_is_half_typed(open_page: Callable[..., Page], sam: Any, order: Order) -> None:
    page = open_page()
    sign_in(page, sam)
    page.goto(f"/orders/{order.reference}/")
    page.locator("#id_note").press_sequentially("Called twice, wants")

    refund(order)

    expect(page.locator("#order-title")).to_contain_text("Partially refunded", timeout=SOON_MS)
    expect(page.locator("#order-strip")).to_contain_text("75.00")
    expect(page.locator("#order-refunds")).to_contain_text("€5.00")
    expect(page.locator("#order-timeline")).to_contain_text("refunded €5.00")
    expect(page.locator("#id_note")).to_have_value("Called twice, wants")
    expect(page.locator("#id_note")).to_be_focused()


def test_an_open_panel_stays_as_it_is(
    open_page: Callable[..., Page], sam: Any, paid_order: Order, crowd: list[Order]
) -> None:
    page = open_page()
    sign_in(page, sam)
    row_of(page, paid_order).get_by_role("link", name="Refund").click()
    panel = page.get_by_role("dialog")
    panel.get_by_text("Custom", exact=True).click()
    panel.get_by_label("Custom amount").fill("12.00")

    refund(crowd[0])

    expect(row_of(page, crowd[0])).to_contain_text("Partially refunded", timeout=SOON_MS)
    expect(panel.get_by_label("Custom amount")).to_have_value("12.00")
    expect(panel.get_by_label("Custom amount")).to_be_focused()


def test_refunds_attention_and_attendee_follow(
    open_page: Callable[..., Page], linus: Any, grace: Any, order: Order, ada: Any, conference: Conference
) -> None:
    first = refund(order)
    external = OpenItem.Kind.EXTERNAL
    item = OpenItem.objects.create(conference=conference, order=order, kind=external, subject="re_1", refund=first)
    refunds, attention, attendee = open_page(), open_page(), open_page()
    for page, address in ((refunds, "/refunds/"), (attention, "/attention/"), (attendee, f"/attendees/{ada.pk}/")):
        sign_in(page, linus)
        page.goto(address)

    refund(order, "6.00")
    acknowledge(item, note="Made by the treasurer", staff_user=grace)
    make_credit(conference, ada, "33.00")

    expect(refunds.get_by_role("link", name="1 new refund")).to_be_visible(timeout=SOON_MS)
    expect(refunds.locator(f"#refund-{first.pk}")).to_be_visible()
    expect(attention.locator(f"#item-{item.pk}")).to_contain_text("Settled by Grace Hopper", timeout=SOON_MS)
    expect(attention.locator("#waiting-chips")).to_contain_text("All 0")
    expect(attendee.locator(".balance")).to_contain_text("€44.00", timeout=SOON_MS)


@pytest.fixture
def proposal(order: Order, sam: Any, conference: Conference) -> Refund:
    """A refund that Sam proposed and somebody else has to decide about."""
    conference.support_refund_limit = Decimal("1.00")
    conference.save()
    credit = Refund.Destination.CREDIT
    with pytest.raises(RefundProposed):
        RefundService.create_refund(order, amount=Decimal("5.00"), destination=credit, staff_user=sam, propose=True)
    return order.refunds.get(state=Refund.State.AWAITING_APPROVAL)


def test_a_decision_shows_under_the_focus_and_hands_it_on(
    open_page: Callable[..., Page], conference: Conference, grace: Any, proposal: Refund
) -> None:
    page, other = open_page(), open_page()
    sign_in(page, grace)
    page.goto(f"/refunds/{proposal.pk}/")
    decide, head = page.locator("#decide"), page.locator("#refund-head")
    decide.focus()
    height = (head.bounding_box() or {})["height"]
    sign_in(other, make_staff("edsger", "Finance", conference, last_name="Dijkstra"))
    other.goto(f"/refunds/{proposal.pk}/decide/")
    other.get_by_label("Reason").fill("Paid by the sponsor")
    other.get_by_role("button", name="Reject").click()
    expect(other.locator("#refund-head")).to_contain_text("Rejected")
    page.bring_to_front()

    expect(head).to_contain_text("Rejected", timeout=SOON_MS)

    expect(decide).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator("#toasts")).to_contain_text("Changed just now")
    expect(page.locator("#toasts")).to_contain_text("Edsger Dijkstra rejected")
    assert (head.bounding_box() or {})["height"] >= height


def test_a_decision_shows_under_the_pointer_and_takes_no_stray_press(
    open_page: Callable[..., Page], grace: Any, sam: Any, proposal: Refund
) -> None:
    page = open_page()
    sign_in(page, grace)
    page.goto(f"/refunds/{proposal.pk}/")
    page.locator("#decide").hover()
    box = page.locator("#decide").bounding_box() or {}
    page.evaluate(NOTE_WHAT_IS_HIT, [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])

    withdraw_refund(proposal, staff_user=sam)

    expect(page.locator("#refund-head")).not_to_contain_text("Waiting for approval", timeout=SOON_MS)
    expect(page.locator("#decide")).to_have_count(0)
    assert page.evaluate("window.hit") == ["nothing"]
    expect(page.locator("#refund-head")).not_to_have_class(re.compile("is-settling"))
    page.locator("#open-order").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(proposal.order.reference)


def test_the_button_of_an_order_keeps_the_focus_while_its_state_changes(
    open_page: Callable[..., Page], sam: Any, order: Order
) -> None:
    page = open_page()
    sign_in(page, sam)
    page.goto(f"/orders/{order.reference}/")
    page.locator("#refund-order").focus()

    refund(order)
    expect(page.locator("#order-title")).to_contain_text("Partially refunded", timeout=SOON_MS)
    expect(page.locator("#refund-order")).to_be_focused()

    refund(order, "75.00")
    expect(page.locator("#refund-order")).to_have_count(0, timeout=SOON_MS)
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_a_hidden_tab_asks_for_nothing_and_catches_up(
    open_page: Callable[..., Page], linus: Any, crowd: list[Order]
) -> None:
    page = open_page()
    sign_in(page, linus)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide = "(hidden) => Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden})"
    page.evaluate(hide, True)

    refund(crowd[0])
    page.wait_for_timeout(5000)
    assert asked == []

    page.evaluate(hide, False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(row_of(page, crowd[0])).to_contain_text("Partially refunded", timeout=2000)


def test_a_session_that_ends_takes_nothing_away(
    open_page: Callable[..., Page], find_breaches: Callable[..., list[str]], sam: Any, order: Order
) -> None:
    page = open_page()
    sign_in(page, sam)
    page.goto(f"/orders/{order.reference}/")
    page.locator("#id_note").fill("Half a sentence")

    Session.objects.all().delete()

    expect(page.locator("#connection")).to_contain_text("You are signed out.", timeout=SOON_MS)
    expect(page.locator("#id_note")).to_have_value("Half a sentence")
    assert find_breaches(page) == []
    with page.expect_popup() as popup:
        page.locator("#connection").get_by_role("link", name="Sign in").click()
    expect(popup.value.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_lost_connection_says_of_when_the_amounts_are(
    open_page: Callable[..., Page], linus: Any, crowd: list[Order]
) -> None:
    page = open_page()
    sign_in(page, linus)
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("Connection lost. Amounts are from", timeout=SOON_MS)
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_be_empty(timeout=SOON_MS)


def test_news_of_a_row_that_went_meanwhile_disturbs_nothing(
    page: Page, grace: Any, conference: Conference, order: Order
) -> None:
    item = add(conference, OpenItem.Kind.DISPUTED, "dp_1", order=order)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    sign_in(page, grace)
    page.goto("/attention/")

    def answer_late(route: Route) -> None:
        answer = route.fetch()
        page.evaluate("id => document.getElementById(id)?.remove()", f"item-{item.pk}")
        route.fulfill(response=answer)

    page.route("**/changes/?*", answer_late)
    acknowledge(item, note="Answered.", staff_user=grace)

    expect(page.locator("#queues .count-hot")).to_have_count(0, timeout=SOON_MS)
    expect(page.locator(f"#item-{item.pk}")).to_have_count(0)
    assert said == []
