"""The words of history and refunds, the same on screen, in emails and in exports."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from registration.models import Credit, HistoryEntry, Order, Payment, Refund, RefundPart
from registration.models.refund import State
from registration.refund_words import checking, holder, steps
from registration.sentences import PATTERNS, cause_in_words, sentence
from registration.services.errors import RefundError
from registration.services.history import record
from registration.services.notes import add_note
from registration.services.refund import RefundService
from tests.registration.books import make_conference, make_order, make_refund, make_user
from tests.registration.desk import card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    order = make_order(make_conference(), "100.00", Order.Status.PAID)
    Payment.objects.create(
        order=order,
        amount=order.total,
        status=Payment.Status.SUCCEEDED,
        stripe_payment_intent_id="pi_sim_words",
        card_brand="visa",
        card_last4="4242",
    )
    return order


def test_a_refund_reads_as_one_sentence(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "120.00")
    RefundService.create_refund(
        order,
        amount=Decimal("40.00"),
        destination=Refund.Destination.CARD,
        fee_amount=Decimal("5.00"),
        staff_user=make_user("priya"),
    )

    told = [sentence(entry) for entry in order.history.order_by("position")]

    assert told == [
        "priya refunded $35.00 of $120.00 (original card), $85.00 left, $5.00 kept as a fee",
        "$35.00 sent to the bank of Card",
    ]


def test_a_refund_to_one_card_names_it(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "120.00")
    order.payments.update(card_brand="visa", card_last4="4242")
    RefundService.create_refund(
        order, amount=Decimal("40.00"), destination=Refund.Destination.CARD, staff_user=make_user("priya")
    )

    first, second = (sentence(entry) for entry in order.history.order_by("position"))

    assert first == "priya refunded $40.00 of $120.00 to Visa ending 4242, $80.00 left"
    assert second == "$40.00 sent to the bank of Visa ending 4242"


@pytest.mark.parametrize("kind", sorted(PATTERNS))
def test_every_kind_of_entry_has_words(order: Order, kind: str) -> None:
    facts: dict[str, Any] = {"amount": "5.00", "currency": "EUR", "instrument": "Visa ending 4242", "credit": "CR-0001"}

    told = sentence(record(order, kind, facts=facts | {"due": "1.00", "destination": "CARD", "refundable": "1.00"}))

    assert told
    assert "%(" not in told


def test_an_unknown_kind_still_says_something(order: Order) -> None:
    assert sentence(record(order, "moved_house")) == "Moved house"
    assert sentence(record(order, "payment_received", facts={"amount": "?"})) == " received from "


def test_causes_are_words() -> None:
    assert cause_in_words("declined") == "the bank declined it"
    assert cause_in_words("The card was closed.") == "The card was closed."
    assert cause_in_words("unheard_of") == "Stripe gave no reason"


@pytest.mark.parametrize("state", State.values)
@pytest.mark.trap(12)
def test_each_state_says_who_has_the_money(order: Order, state: str) -> None:
    part = make_refund(order, "10.00", state)

    assert holder(part)
    assert "refunded" not in holder(part)
    proposed = state == State.AWAITING_APPROVAL
    assert steps(part.refund)[0].label == ("Proposed" if proposed else "Requested")


def test_holders_know_credit_hand_and_trace(order: Order) -> None:
    part = make_refund(order, "10.00", State.SUCCEEDED)
    part.trace_reference = "74208107"
    assert holder(part).endswith("Bank reference 74208107.")
    part.channel = RefundPart.Channel.MANUAL
    assert holder(part) == "Paid back by hand. Bank reference 74208107."
    part.channel, part.trace_reference = RefundPart.Channel.STORE_CREDIT, ""
    assert holder(part) == "The attendee has it as store credit."
    part.channel = RefundPart.Channel.MANUAL
    part.save()
    assert [step.state for step in steps(part.refund)] == ["done", "done"]


def test_a_transfer_by_hand_is_not_at_stripe(order: Order) -> None:
    part = make_refund(order, "10.00", State.AWAITING_TRANSFER)
    part.channel = RefundPart.Channel.MANUAL
    part.save()

    assert [(step.label, step.state) for step in steps(part.refund)] == [
        ("Requested", "done"),
        ("Pay back by hand", "now"),
    ]


def test_a_note_is_kept_and_told(order: Order) -> None:
    note = add_note(order, text=" Wrote in on Monday. ", staff_user=make_user("sam"))

    assert (note.text, str(note)) == ("Wrote in on Monday.", "Wrote in on Monday.")
    assert sentence(HistoryEntry.objects.get()) == "sam wrote a note"
    with pytest.raises(RefundError, match="Write something"):
        add_note(order, text="  ", staff_user=make_user("sam"))


def test_rows_name_themselves(order: Order) -> None:
    part = make_refund(order, "10.00", State.PENDING)
    credit = Credit.objects.create(user=order.user, conference=order.conference, amount=Decimal("5.00"))
    item = order.line_items.create(description="Dinner", unit_price=Decimal("5.00"), line_total=Decimal("5.00"))
    line = part.refund.lines.create(line_item=item, amount=Decimal("5.00"))

    names = [order, part.refund, part, credit, credit.entries.get(), item, line, order.payments.get()]

    assert [str(name) for name in names] == [
        order.reference,
        part.refund.number,
        "Card, through Stripe 10.00 USD",
        credit.number,
        "Issued 5.00",
        "Dinner",
        "Dinner: 5.00",
        f"Card 100.00 USD for {order.pk}",
    ]
    assert order.payments.get().instrument == "Visa ending 4242"
    assert part.refund.is_open


AT = datetime(2027, 3, 4, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "channel", "facts", "words"),
    [
        (State.SUCCEEDED, "STRIPE", {"settled_at": AT}, "Sent on 4 March 2027, expected by 18 March 2027."),
        (State.SUCCEEDED, "STORE_CREDIT", {"settled_at": AT}, "as store credit. Since 4 March 2027."),
        (State.SUCCEEDED, "MANUAL", {"settled_at": AT}, "Paid back by hand. Since 4 March 2027."),
        (State.AWAITING_TRANSFER, "MANUAL", {}, "The conference still has the money; pay it back by hand."),
        (State.CANCELED, "MANUAL", {"settled_at": AT}, "still has the money; it was undone before it was sent."),
        (State.REJECTED, "STRIPE", {}, "still has the money; whoever proposed it withdrew it."),
        (State.PENDING, "STRIPE", {"sent_at": AT}, "pass it to the bank. At Stripe since 4 March 2027."),
        (State.REQUIRES_ACTION, "STRIPE", {"sent_at": AT}, "act on its email. At Stripe since 4 March 2027."),
        (State.REQUIRES_ACTION, "STRIPE", {"act_by": AT}, "act on its email. They have until 4 March 2027."),
        (State.FAILED, "STRIPE", {"settled_at": AT}, "did not reach the attendee. Failed on 4 March 2027."),
        (
            State.PENDING,
            "STRIPE",
            {"pending_reason": "insufficient_funds", "sent_at": AT},
            "The conference still has the money; Stripe sends it once its balance is topped up."
            " At Stripe since 4 March 2027.",
        ),
        (State.REQUESTED, "STRIPE", {"checks": 3}, "it is about to be sent."),
        (State.UNCONFIRMED, "STRIPE", {"sent_at": AT, "checks": 8}, "send again. 8 of 8 checks done."),
        (State.UNCONFIRMED, "STRIPE", {"sent_at": AT, "checks": 9}, "9 checks done, now one every hour."),
        (
            State.REQUESTED,
            "STRIPE",
            {"sent_at": AT, "checks": 2, "last_problem": "Stripe is busy."},
            "2 of 8 checks done. Stripe is busy.",
        ),
    ],
)
@pytest.mark.trap(12)
def test_who_has_the_money_is_said_with_dates(
    order: Order, state: str, channel: str, facts: dict[str, Any], words: str
) -> None:
    part = make_refund(order, "10.00", state)
    part.channel = channel
    for name, value in facts.items():
        setattr(part, name, value)

    assert holder(part).endswith(words)


def test_the_next_check_is_told_by_the_clock(order: Order) -> None:
    part = make_refund(order, "10.00", State.UNCONFIRMED)
    part.sent_at, part.checks, part.next_check_at = AT, 2, timezone.now() + timedelta(minutes=5)

    at = date_format(timezone.localtime(part.next_check_at), "H:i")
    assert checking(part) == f"2 of 8 checks done, next check at {at}."
    part.next_check_at = timezone.now()
    assert checking(part) == "2 of 8 checks done."
