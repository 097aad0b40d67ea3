"""What goes back by hand: reserved until the transfer is recorded, and the order's own again once it is called off."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone, translation

from registration.attention import advice, explanation
from registration.books import Account, movements_of
from registration.models import Conference, Credit, OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import State
from registration.refund_ends import UNDONE, ended_as, that_ended
from registration.refund_words import holder, steps
from registration.sentences import sentence
from registration.services.errors import RefundError, RefundHeld
from registration.services.history import record
from registration.services.manual import call_off_transfer, confirm_manual
from registration.services.refund import RefundService
from registration.services.settle import move_part
from registration.services.undo import undo_refund
from registration.trial_balance import trial_balance
from tests.registration.books import assert_books_agree, make_conference, make_order, make_user
from tests.registration.desk import add_card_payment, at_once
from tests.registration.proposals import colleague, propose
from tests.registration.test_paid_once import refund, turn_up

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

CARD = Refund.Destination.CARD
NOTHING_WAITS = "Nothing here waits for a transfer."


@pytest.fixture
def conference(db: None) -> Conference:
    return make_conference()


@pytest.fixture
def order(conference: Conference) -> Order:
    """Paid by bank transfer."""
    order = make_order(conference, "50.00", Order.Status.PAID)
    Payment.objects.create(
        order=order, method=Payment.Method.MANUAL, status=Payment.Status.SUCCEEDED, amount=Decimal("50.00")
    )
    return order


@pytest.fixture
def grace(db: None) -> Any:
    return make_user("grace")


def also_by_card(sandbox: "SandboxServer", order: Order, amount: str) -> None:
    """The order comes to so much more, which a card paid."""
    Order.objects.filter(pk=order.pk).update(total=order.total + Decimal(amount))
    add_card_payment(sandbox, order, amount)


def told(order: Order) -> str:
    """The newest decision or proposal, in words."""
    kinds = ("refund_requested", "refund_proposed")
    entry = order.history.filter(kind__in=kinds).order_by("position").last()
    assert entry is not None
    return sentence(entry)


def test_what_goes_back_by_hand_is_said_to(order: Order, grace: Any) -> None:
    RefundService.create_refund(order, amount=Decimal("20.00"), destination=CARD, staff_user=grace)

    words = "grace decided to refund $20.00 of $50.00 by hand, $30.00 left; the transfer is still to be made"
    assert told(order) == words
    with translation.override("de"):
        assert "von Hand" in told(order)
        assert "Karte" not in told(order)


def test_what_is_proposed_by_hand_is_said_to(order: Order) -> None:
    order.conference.support_refund_limit = Decimal("10.00")
    order.conference.save()

    propose(order, colleague("sam", "Support"), "20.00")

    assert told(order) == "sam proposed to refund $20.00 of $50.00 (by hand); a second person decides"


def test_a_mixed_refund_says_both(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    also_by_card(sandbox, order, "40.00")
    order.payments.update(card_brand="visa", card_last4="4242")  # The terminal's card has digits too.

    with suppress(RefundError):
        RefundService.create_refund(order, amount=Decimal("90.00"), destination=CARD, staff_user=grace)

    assert "$90.00 of $90.00 (card and by hand)" in told(order)


def test_a_decision_from_before_ways_were_kept_reads_as_it_did(order: Order, grace: Any) -> None:
    facts = {"amount": "5.00", "currency": "USD", "total": "50.00", "destination": "CARD", "refundable": "45.00"}

    record(order, "refund_requested", actor=grace, facts=facts)

    assert told(order) == "grace refunded $5.00 of $50.00 (original card), $45.00 left"


def decide(order: Order, amount: str = "50.00", destination: str = CARD) -> RefundPart:
    RefundService.create_refund(order, amount=Decimal(amount), destination=destination)
    order.refresh_from_db()
    return RefundPart.objects.get(channel=RefundPart.Channel.MANUAL)


def test_nothing_has_left_until_the_transfer_is_recorded(order: Order, grace: Any) -> None:
    part = decide(order)

    assert (part.state, part.refund.state, part.accepted_at) == (State.AWAITING_TRANSFER, State.AWAITING_TRANSFER, None)
    assert (order.status, order.refunded_amount, order.reserved_amount) == ("PAID", Decimal(0), Decimal(50))
    assert order.refundable_amount == 0
    assert [movement.kind for movement in movements_of(order)] == ["payment"]
    assert order.payments.get().status == Payment.Status.SUCCEEDED
    assert_books_agree()

    with pytest.raises(RefundError, match="Enter the reference"):
        confirm_manual(part, reference=" ", staff_user=grace)
    confirm_manual(part, reference="SEPA 17", staff_user=grace)

    order.refresh_from_db()
    part.refresh_from_db()
    assert (part.state, part.trace_reference, part.refund.state) == (State.SUCCEEDED, "SEPA 17", State.SUCCEEDED)
    assert (order.status, order.refunded_amount, order.reserved_amount) == ("REFUNDED", Decimal(50), Decimal(0))
    assert not order.open_items.unresolved().exists()
    with pytest.raises(RefundError, match=NOTHING_WAITS):
        confirm_manual(part, reference="SEPA 17", staff_user=grace)
    with pytest.raises(RefundError, match=NOTHING_WAITS):
        call_off_transfer(part, staff_user=grace)
    assert_books_agree()


def test_a_month_ends_between_the_decision_and_the_transfer(
    conference: Conference, order: Order, grace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = decide(order)
    Payment.objects.update(created_at=datetime(2026, 10, 1, tzinfo=UTC))
    RefundPart.objects.update(created_at=datetime(2026, 10, 31, 12, tzinfo=UTC))
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 2, 9, tzinfo=UTC))

    confirm_manual(part, reference="SEPA 17", staff_user=grace)

    november, december = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert trial_balance(conference, None, november).held(Account.MANUAL) == Decimal("50.00")
    assert trial_balance(conference, november, december).held(Account.MANUAL) == 0


def test_a_transfer_that_is_called_off_gives_its_sum_back(order: Order, grace: Any) -> None:
    part = decide(order, "30.00")

    call_off_transfer(part, staff_user=grace)

    order.refresh_from_db()
    part.refresh_from_db()
    item = OpenItem.objects.get(order=order)
    assert (part.state, part.refund.state) == (State.CANCELED, State.CANCELED)
    assert (order.status, order.refundable_amount, order.reserved_amount) == ("PAID", Decimal(50), Decimal(0))
    assert (item.kind, str(item.resolution)) == (
        OpenItem.Kind.MANUAL_TRANSFER,
        "The transfer was called off; nothing was paid",
    )
    assert item.resolved_by == grace
    assert Credit.objects.get(refund=part.refund).status == Credit.Status.VOIDED
    assert sentence(order.history.order_by("position").last()) == "grace called off the transfer of $30.00"
    assert ended_as(part.refund) == State.CANCELED
    assert list(Refund.objects.filter(that_ended(State.CANCELED))) == [part.refund]
    with pytest.raises(RefundError, match=NOTHING_WAITS):
        confirm_manual(part, reference="SEPA 17", staff_user=grace)
    assert_books_agree()

    decide_again = RefundService.create_refund(order, amount=Decimal("50.00"), destination=CARD)
    assert decide_again.amount == 50
    assert_books_agree()


def test_a_transfer_that_was_undone_in_its_seconds_is_not_one_that_was_called_off(order: Order, grace: Any) -> None:
    with pytest.raises(RefundHeld):
        RefundService.create_refund(order, amount=Decimal("30.00"), destination=CARD, hold_seconds=60)
    refund = order.refunds.get()

    undo_refund(refund, staff_user=grace)

    refund.refresh_from_db()
    assert (refund.state, ended_as(refund)) == (State.CANCELED, UNDONE)
    assert list(Refund.objects.filter(that_ended(UNDONE))) == [refund]
    assert not Refund.objects.filter(that_ended(State.CANCELED)).exists()


def test_the_gift_beside_a_transfer_goes_with_it(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    also_by_card(sandbox, order, "20.00")
    part = decide(order, "70.00", Refund.Destination.CARD_AND_CREDIT)
    gift = Credit.objects.get(kind=Credit.Kind.GOODWILL)
    assert gift.remaining_amount == 70

    call_off_transfer(part, staff_user=grace)

    gift.refresh_from_db()
    assert gift.remaining_amount == 20
    assert_books_agree()


def test_a_gift_that_was_spent_when_the_transfer_was_called_off(
    sandbox: "SandboxServer", order: Order, grace: Any
) -> None:
    also_by_card(sandbox, order, "20.00")
    part = decide(order, "70.00", Refund.Destination.CARD_AND_CREDIT)
    gift = Credit.objects.get(kind=Credit.Kind.GOODWILL)
    RefundService.apply_credit_as_refund(gift, make_order(order.conference, "60.00"))

    call_off_transfer(part, staff_user=grace)

    said = explanation(OpenItem.objects.unresolved().get())
    assert said == "A transfer was called off after $40.00 of the credit that came with it had been spent."
    assert str(gift.entries.order_by("pk").last().reason) == f"The transfer of {part.refund.number} was called off"
    assert_books_agree()


def test_the_note_of_a_split_says_what_is_left_of_it(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    also_by_card(sandbox, order, "20.00")
    call_off_transfer(decide(order, "70.00"), staff_user=grace)
    assert_books_agree()

    RefundService.create_refund(order, amount=Decimal("50.00"), destination=CARD)
    confirm_manual(RefundPart.objects.get(state=State.AWAITING_TRANSFER), reference="SEPA 18", staff_user=grace)

    order.refresh_from_db()
    notes = Credit.objects.filter(status=Credit.Status.PAID_OUT).order_by("amount").values_list("amount", flat=True)
    assert list(notes) == [Decimal(20), Decimal(50)]
    assert order.refunded_amount == 70
    assert_books_agree()


@pytest.fixture
def never_received(sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch) -> Refund:
    """Ended as never received by Stripe, which has it after all."""
    also_by_card(sandbox, order, "20.00")
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        unsent = refund(order, "20.00")
    unsent.parts.update(sent_at=timezone.now())
    move_part(unsent.parts.get(), State.FAILED)
    return Refund.objects.get(pk=unsent.pk)


def test_what_went_back_another_way_is_not_transferred_as_well(
    sandbox: "SandboxServer", order: Order, never_received: Refund, grace: Any
) -> None:
    by_bank = order.payments.get(method=Payment.Method.MANUAL)
    retry = refund(order, "20.00", retry_of=never_received, payment=by_bank)
    part = retry.parts.get()
    turn_up(sandbox, never_received)
    item = OpenItem.objects.unresolved().get(kind=OpenItem.Kind.MANUAL_TRANSFER)
    assert explanation(item).startswith("$20.00 need not be paid back by hand")
    assert advice(item) == f"Do not make the transfer: call it off on the page of {retry.number}."
    assert "Do not pay it" in holder(part)

    with pytest.raises(RefundError, match="gone back another way"):
        confirm_manual(part, reference="SEPA 19", staff_user=grace)

    order.refresh_from_db()
    assert (order.refunded_amount, order.reserved_amount) == (Decimal(20), Decimal(20))


def test_what_was_transferred_before_anybody_saw_that_it_need_not_be(
    sandbox: "SandboxServer", order: Order, never_received: Refund, grace: Any
) -> None:
    part = refund(
        order, "20.00", retry_of=never_received, payment=order.payments.get(method=Payment.Method.MANUAL)
    ).parts.get()
    turn_up(sandbox, never_received)

    confirm_manual(part, reference="SEPA 19", staff_user=grace, paid_anyway=True)

    item = OpenItem.objects.get(kind=OpenItem.Kind.MANUAL_TRANSFER)
    assert "although the same money had gone back another way" in str(item.resolution)
    order.refresh_from_db()
    assert order.refunded_amount == 40
    assert_books_agree()


def test_card_and_transfer_in_one_decision(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    also_by_card(sandbox, order, "20.00")
    part = decide(order, "70.00")

    assert part.refund.state == State.AWAITING_TRANSFER
    assert [(step.label, step.state) for step in steps(part.refund)] == [
        ("Requested", "done"),
        ("At Stripe", "done"),
        ("Pay back by hand", "now"),
        ("Succeeded", "todo"),
    ]
    assert (order.refunded_amount, order.reserved_amount) == (Decimal(20), Decimal(50))
    assert Credit.objects.get(refund=part.refund).amount == 70
    assert_books_agree()

    confirm_manual(part, reference="SEPA 17", staff_user=grace)

    order.refresh_from_db()
    assert (order.refunded_amount, order.reserved_amount) == (Decimal(70), Decimal(0))
    assert Refund.objects.get().state == State.SUCCEEDED
    assert Credit.objects.count() == 1
    assert_books_agree()


@pytest.mark.django_db(transaction=True)
def test_recorded_and_called_off_at_once(grace: Any, order: Order) -> None:
    part = decide(order)

    lost = at_once(
        lambda: confirm_manual(part, reference="SEPA 17", staff_user=grace),
        lambda: call_off_transfer(part, staff_user=grace),
    )

    part.refresh_from_db()
    order.refresh_from_db()
    assert lost == [NOTHING_WAITS]
    assert part.state in (State.SUCCEEDED, State.CANCELED)
    assert order.refunded_amount == (50 if part.state == State.SUCCEEDED else 0)
    assert not OpenItem.objects.unresolved().exists()
    assert_books_agree()
