"""What an order's page, its row and its panel say of money that cannot go back, and of lines that have less left."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Order, Refund
from registration.models.refund import State
from registration.sentences import sentence
from registration.services.errors import RefundHeld
from registration.services.history import record
from registration.services.refund import RefundService
from registration.services.undo import release_refund, undo_refund
from tests.cast import HTMX, make_credit, make_order
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import refund_url
from tests.dashboard.test_order_detail import make_refund, page_of

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
UNNAMED = "of this order was refunded without naming line items"


@pytest.fixture
def partly_paid(conference: Conference, ada: Any, pending_order: Order) -> Order:
    """Ada's order of 50.00, of which credit paid 10.00 so far."""
    credit = make_credit(conference, ada, "10.00")
    RefundService.apply_credit_as_refund(credit, pending_order)
    pending_order.refresh_from_db()
    assert pending_order.refundable_amount == Decimal("10.00")
    return pending_order


def test_what_a_pending_order_holds_is_called_refundable_nowhere(grace_client: Client, partly_paid: Order) -> None:
    page = grace_client.get(reverse("order_detail", args=[partly_paid.reference])).context["page"]

    assert (page.left_label, page.left, page.credit_only) == ("Not refundable now", "€10.00", "")
    assert page.split[-1]["label"] == "Not refundable now"
    assert [(line.left, line.why_nothing) for line in page.lines] == [("0.00", "Not paid in full yet")]
    assert [entry.left for entry in page.payments] == ["0.00"]
    html = page_of(grace_client, partly_paid)
    assert html.count("Not refundable: the order is not paid in full yet.") == 1
    assert "<dt>Refundable</dt>" not in html


def test_the_row_of_a_pending_order_says_that_its_money_is_not_free_now(
    grace_client: Client, partly_paid: Order
) -> None:
    row = text_of(grace_client.get(reverse("order_row", args=[partly_paid.reference])))

    assert 'c-left zero"><span class="amt">10.00</span><span class="sub">not now</span>' in row


def test_the_row_of_a_paid_order_says_nothing_of_the_kind(grace_client: Client, order: Order) -> None:
    row = text_of(grace_client.get(reverse("order_row", args=[order.reference])))

    assert '<span class="amt strong">80.00</span>' in row
    assert "not now" not in row


def test_the_attendees_page_offers_nothing_of_a_pending_order(grace_client: Client, partly_paid: Order) -> None:
    html = text_of(grace_client.get(reverse("attendee_detail", args=[partly_paid.user_id])))

    assert '<td class="num not-phone zero">0.00</td>' in html


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.REQUESTED, "Grace Hopper decided to refund €5.00 of €80.00 (original card), €75.00 left; under way"),
        (State.PENDING, "Grace Hopper decided to refund €5.00 of €80.00 (original card), €75.00 left; under way"),
        (
            State.UNCONFIRMED,
            "Grace Hopper decided to refund €5.00 of €80.00 (original card), €75.00 left; being verified",
        ),
        (State.SUCCEEDED, "Grace Hopper refunded €5.00 of €80.00 (original card), €75.00 left, €1.00 kept as a fee"),
        (State.FAILED, "Grace Hopper decided to refund €5.00 of €80.00 (original card); it failed"),
        (State.CANCELED, "Grace Hopper decided to refund €5.00 of €80.00 (original card); it was undone"),
    ],
)
def test_history_says_refunded_only_of_what_was(grace: Any, order: Order, state: str, told: str) -> None:
    refund = make_refund(order, "5.00", state)
    facts = {"amount": "5.00", "currency": "EUR", "total": "80.00", "destination": "CARD", "refundable": "75.00"}
    fee = {"fee": "1.00"} if state in (State.SUCCEEDED, State.FAILED) else {}

    entry = record(order, "refund_requested", actor=grace, refund=refund, facts=facts | fee)

    assert sentence(entry) == told


def _held(order: Order, grace: Any) -> Refund:
    """5.00 that Grace decided and can still undo."""
    with pytest.raises(RefundHeld) as held:
        RefundService.create_refund(
            order, amount=Decimal("5.00"), destination=Refund.Destination.CARD, staff_user=grace, hold_seconds=30
        )
    return held.value.refund


@pytest.mark.django_db(transaction=True)
def test_history_follows_the_seconds_in_which_a_refund_can_be_undone(
    grace_client: Client, grace: Any, card_order: Order, sandbox: "SandboxServer"
) -> None:
    undone = _held(card_order, grace)
    assert "Grace Hopper is about to refund €5.00 of €80.00" in page_of(grace_client, card_order)

    undo_refund(undone, staff_user=grace)

    html = page_of(grace_client, card_order)
    assert "it was undone" in html
    assert "Grace Hopper refunded" not in html
    release_refund(_held(card_order, grace))
    assert "Grace Hopper refunded €5.00 of €80.00" in page_of(grace_client, card_order)


def test_lines_that_have_less_left_together_say_why(grace_client: Client, conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, paid="80.00", items={"Ticket": "50.00", "Dinner": "30.00"})
    make_refund(order, "45.00", State.SUCCEEDED)
    told = f"€45.00 {UNNAMED}; together the lines can still get €35.00."

    assert told in page_of(grace_client, order)
    assert told in grace_client.get(refund_url(order), headers=HTMX).content.decode()


def test_lines_of_an_order_refunded_to_zero_say_why_nothing_is_left(grace_client: Client, order: Order) -> None:
    make_refund(order, "80.00", State.SUCCEEDED)

    assert f"€80.00 {UNNAMED}; nothing is left for them." in page_of(grace_client, order)


def test_what_is_only_proposed_is_not_called_refunded(grace_client: Client, order: Order) -> None:
    make_refund(order, "30.00", State.AWAITING_APPROVAL)

    told = "€30.00 of this order was refunded or is reserved without naming line items"
    assert told in page_of(grace_client, order)


def test_lines_that_have_all_that_they_show_say_nothing(grace_client: Client, order: Order) -> None:
    refund = make_refund(order, "30.00", State.SUCCEEDED)
    refund.lines.create(line_item=order.line_items.get(), amount=Decimal("30.00"))

    assert "without naming line items" not in page_of(grace_client, order)
