"""Where the focus stands once a form is answered by a whole page: at what came of it, never at the top."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from registration.models import Conference, OpenItem, Order, Refund
from registration.services.errors import RefundProposed
from registration.services.refund import RefundService
from tests.browser.steps import sign_in
from tests.cast import make_order, pay
from tests.dashboard.open_items import add

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Kind = OpenItem.Kind


@pytest.fixture
def later(conference: Conference, order: Order) -> OpenItem:
    """What is next in the queue."""
    return add(conference, Kind.DISPUTED, "dp_1", order=order)


@pytest.fixture
def proposal(conference: Conference, paid_order: Order, sam: Any) -> Refund:
    """12.50, proposed by Sam."""
    conference.support_refund_limit = Decimal("10.00")
    conference.save()
    with pytest.raises(RefundProposed):
        RefundService.create_refund(
            paid_order, amount=Decimal("12.50"), destination="CARD", staff_user=sam, propose=True
        )
    return paid_order.refunds.get()


def link_of(page: Page, item: OpenItem) -> Locator:
    return page.locator(f"#item-{item.pk} [data-row-link]")


def message_of(page: Page) -> Locator:
    return page.locator("#toasts").get_by_role("alert")


def expect_told(page: Page, words: str) -> None:
    """The message has the focus, and is read aloud as it comes."""
    expect(message_of(page)).to_contain_text(words)
    expect(message_of(page)).to_be_focused()


def test_a_recorded_transfer_leads_to_the_next_in_the_queue(
    page: Page, grace: Any, conference: Conference, linnea: Any
) -> None:
    for amount in ("30.00", "40.00"):
        order = make_order(conference, linnea, total=amount, status=Order.Status.PAID)
        pay(order, amount, method="MANUAL")
        RefundService.create_refund(order, amount=Decimal(amount), destination="CARD", staff_user=grace)
    first, second = OpenItem.objects.filter(kind=Kind.MANUAL_TRANSFER).order_by("opened_at", "pk")
    sign_in(page, grace)
    page.goto("/attention/")
    page.locator(f"#transfer-{first.pk}").click()
    page.get_by_label("Reference of the transfer").fill("SEPA 4711")
    page.get_by_role("button", name="Record the transfer").click()

    expect(page.locator(f"#item-{first.pk}")).to_have_count(0)
    expect(link_of(page, second)).to_be_focused()
    expect(page.get_by_role("status").first).to_contain_text("Transfer recorded")


@pytest.mark.parametrize("has_script", [True, False])
def test_a_begun_comparison_is_said(
    open_page: Callable[..., Page], grace: Any, paid_order: Order, has_script: bool
) -> None:
    page = open_page(java_script_enabled=has_script)
    sign_in(page, grace)
    page.goto("/stripe/comparison/")
    page.get_by_role("button", name="Compare now").click()

    expect_told(page, "The comparison has begun")


@pytest.mark.parametrize("has_script", [True, False])
def test_a_wrong_day_takes_the_focus(
    open_page: Callable[..., Page], grace: Any, paid_order: Order, has_script: bool
) -> None:
    page = open_page(java_script_enabled=has_script)
    sign_in(page, grace)
    page.goto("/stripe/comparison/")
    page.get_by_label("From", exact=True).fill("2026-03-02")
    page.get_by_label("Up to").fill("2026-03-01")
    page.get_by_role("button", name="Compare now").click()

    expect(page.get_by_label("Up to")).to_be_focused()
    expect(page.get_by_label("Up to")).to_have_accessible_description("Choose a day that is not before the first one.")
    fields = (
        page.get_by_label("From", exact=True),
        page.get_by_label("Up to"),
        page.get_by_role("button", name="Compare"),
    )
    lines = [field.bounding_box() for field in fields]
    middles = {round(line["y"] + line["height"] / 2) for line in lines if line}
    assert max(middles) - min(middles) <= 2


def test_a_withdrawn_proposal_is_said_on_its_page(page: Page, sam: Any, proposal: Refund) -> None:
    sign_in(page, sam)
    page.clock.install()
    page.goto(f"/refunds/{proposal.pk}/")
    page.get_by_role("button", name="Withdraw").click()

    expect_told(page, "Proposal withdrawn")
    page.clock.fast_forward(20_000)
    expect_told(page, "Proposal withdrawn")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(message_of(page)).to_have_count(0)


def test_a_withdrawn_proposal_is_where_its_order_shows_it(
    page: Page, sam: Any, proposal: Refund, paid_order: Order
) -> None:
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/")
    page.get_by_role("button", name="Withdraw").click()

    expect(page.locator(f"#refund-{proposal.pk}")).to_be_focused()
    expect(message_of(page)).to_contain_text("Proposal withdrawn")


def test_a_proposal_withdrawn_in_the_queue_leads_to_the_next(
    page: Page, sam: Any, proposal: Refund, later: OpenItem
) -> None:
    sign_in(page, sam)
    page.goto("/attention/")
    page.get_by_role("button", name="Withdraw").click()

    expect(page.locator("li[data-row]")).to_have_count(1)
    expect(link_of(page, later)).to_be_focused()
    expect(page.locator("#toasts")).to_contain_text("Proposal withdrawn")
    expect(page.locator("#queues .count-hot")).to_have_text("1")


@pytest.mark.parametrize("has_script", [True, False])
def test_a_refund_that_can_be_undone_offers_that_first(
    open_page: Callable[..., Page], conference: Conference, sam: Any, paid_order: Order, has_script: bool
) -> None:
    conference.undo_seconds = 60
    conference.save()
    page = open_page(java_script_enabled=has_script)
    sign_in(page, sam)
    page.goto(f"/orders/{paid_order.reference}/refunds/new/")
    page.locator("input[name=mode][value=amount], input[name=mode]").last.check(force=True)
    page.locator("input[name=amount]").fill("12.50")
    page.get_by_role("button", name=re.compile("^Refund")).last.click()

    page.wait_for_url("**/refunds/*/")
    undo = page.locator("main").get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    expect(undo).to_have_accessible_description(re.compile("€12.50 is about to be sent"))


@pytest.mark.parametrize("has_script", [True, False])
def test_the_books_of_a_period_begin_at_their_table(
    open_page: Callable[..., Page], grace: Any, paid_order: Order, has_script: bool
) -> None:
    page = open_page(java_script_enabled=has_script)
    sign_in(page, grace)
    page.goto("/books/")
    page.get_by_role("button", name="Show").click()

    page.wait_for_url("**/books/?*")
    expect(page.get_by_role("heading", name="Trial balance")).to_be_focused()


@pytest.mark.parametrize("has_script", [True, False])
@pytest.mark.parametrize("in_drawer", [True, False])
def test_a_rejection_without_a_reason_asks_for_it(
    open_page: Callable[..., Page], grace: Any, proposal: Refund, in_drawer: bool, has_script: bool
) -> None:
    page = open_page(java_script_enabled=has_script)
    sign_in(page, grace)
    page.goto(f"/refunds/{proposal.pk}/" + ("" if in_drawer else "decide/"))
    if in_drawer:
        page.locator("#decide").click()
    page.get_by_role("button", name="Reject").click()

    reason = page.get_by_label("Reason for a rejection")
    expect(reason).to_be_focused()
    expect(reason).to_have_accessible_description(re.compile("Say why it is rejected"))
    proposal.refresh_from_db()
    assert proposal.state == Refund.State.AWAITING_APPROVAL


def reject(page: Page) -> None:
    page.get_by_role("link", name="Decide").first.click()
    page.get_by_label("Reason for a rejection").fill("Paid back in March.")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_rejection_is_said_on_the_page_of_its_refund(page: Page, grace: Any, proposal: Refund) -> None:
    sign_in(page, grace)
    page.goto(f"/refunds/{proposal.pk}/")
    reject(page)

    expect_told(page, "The refund was not approved")


def test_a_rejection_in_the_queue_leads_to_the_next(page: Page, grace: Any, proposal: Refund, later: OpenItem) -> None:
    sign_in(page, grace)
    page.goto("/attention/")
    reject(page)

    expect(link_of(page, later)).to_be_focused()
    expect(page.locator("#toasts")).to_contain_text("The refund was not approved")


@pytest.mark.parametrize("has_script", [True, False])
def test_a_message_that_has_the_focus_is_followed_by_the_page(
    open_page: Callable[..., Page], sam: Any, proposal: Refund, has_script: bool
) -> None:
    page = open_page(java_script_enabled=has_script)
    sign_in(page, sam)
    page.goto(f"/refunds/{proposal.pk}/")
    page.get_by_role("button", name="Withdraw").click()
    expect_told(page, "Proposal withdrawn")
    page.goto(f"/refunds/{proposal.pk}/")

    expect(message_of(page)).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


@pytest.mark.parametrize("has_script", [True, False])
@pytest.mark.parametrize("in_drawer", [True, False])
def test_what_stands_in_the_way_takes_the_focus(
    open_page: Callable[..., Page], grace: Any, paid_order: Order, in_drawer: bool, has_script: bool
) -> None:
    page = open_page(java_script_enabled=has_script)
    sign_in(page, grace)
    page.goto(f"/attendees/{paid_order.user_id}/" + ("" if in_drawer else "credits/new/"))
    if in_drawer:
        page.locator("#issue-credit").click()
    page.get_by_label("Amount").fill("5.00")
    page.get_by_role("button", name=re.compile("^Issue")).click()

    expect(page.locator("#problem")).to_be_focused()
    expect(page.locator("#problem")).to_contain_text("Enter a reason.")
