"""A refund that waits for too long, or for the Stripe balance, opens an item by itself and closes it by itself."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.utils import timezone

from registration import stripe_gateway
from registration.attention import explanation, in_short
from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.services import sending
from registration.services.attention import acknowledge, check_now
from registration.services.errors import RefundError, RefundHeld, RefundUnconfirmed
from registration.services.events import process
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open, resolve_refund
from registration.services.watch import watch_waiting
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, control, make_conference, make_user, store, stripe_post
from tests.registration.desk import card_order, fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
Kind = OpenItem.Kind


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(sending, "BUSY_PAUSES", (0.0, 0.0))
    stripe_gateway._client.cache_clear()


def send(order: Order, amount: str = "80.00") -> RefundPart:
    RefundService.create_refund(order, amount=Decimal(amount), destination=Refund.Destination.CARD)
    return order.refunds.latest("pk").parts.get()


def waiting() -> list[str]:
    return sorted(OpenItem.objects.unresolved().values_list("kind", flat=True))


def age(part: RefundPart, **long_ago: float) -> None:
    """Let time pass for a part and its refund."""
    then = timezone.now() - timedelta(**long_ago)
    Refund.objects.filter(pk=part.refund_id).update(updated_at=then, created_at=then)
    RefundPart.objects.filter(pk=part.pk).update(created_at=then, sent_at=then if part.sent_at else None)


@pytest.mark.trap(36)
def test_a_refund_that_stays_busy_becomes_an_item_and_ends_it_by_itself(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    with fault(sandbox, "rate_limit", count=99, method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)
    part = RefundPart.objects.get()
    age(part, minutes=9.9)
    assert watch_waiting() == {}
    age(part, minutes=10)

    assert watch_waiting() == {Kind.UNSENT: 1}
    assert watch_waiting() == {}

    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.subject, item.order, item.refund) == (Kind.UNSENT, f"part:{part.pk}", order, part.refund)
    assert explanation(item) == "A refund of $80.00 was decided and could not be sent yet. Stripe is busy."
    with pytest.raises(RefundError, match="A note does not settle this"):
        acknowledge(item, note="Patience", staff_user=make_user("grace"))
    resolve_open()
    assert (waiting(), RefundPart.objects.get().state) == ([], State.SUCCEEDED)


def test_an_unsent_refund_is_asked_for_now(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    with fault(sandbox, "conflict", count=99, method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)
    age(RefundPart.objects.get(), hours=1)
    watch_waiting()

    with fault(sandbox, "conflict", count=3, method="POST"):
        assert check_now(OpenItem.objects.get()).resolved_at is None
    assert str(check_now(OpenItem.objects.get()).resolution) == "Stripe answered: Succeeded."


@pytest.mark.trap(10)
def test_ten_days_at_stripe_open_an_item_and_its_end_closes_it(sandbox: "SandboxServer") -> None:
    part = send(card_order(sandbox, card="pm_card_pendingRefund"))
    age(part, days=9, hours=23)
    call_command("run_worker", once=True)
    assert waiting() == []
    age(part, days=10)

    call_command("run_worker", once=True)
    call_command("run_worker", once=True)

    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.subject) == (Kind.SLOW, f"part:{part.pk}")
    control(sandbox, f"refunds/{part.stripe_refund_id}/succeed")
    resolve_refund(part.refund)
    item.refresh_from_db()
    assert (waiting(), str(item.resolution)) == ([], "Stripe answered: Succeeded.")


def test_a_slow_refund_whose_event_was_lost_needs_no_item(sandbox: "SandboxServer") -> None:
    part = send(card_order(sandbox, card="pm_card_pendingRefund"))
    age(part, days=12)
    control(sandbox, f"refunds/{part.stripe_refund_id}/succeed")

    assert watch_waiting() == {}

    part.refresh_from_db()
    assert (part.state, waiting()) == (State.SUCCEEDED, [])


def test_a_slow_refund_that_was_noted_comes_back_after_ten_more_days(sandbox: "SandboxServer") -> None:
    age(send(card_order(sandbox, card="pm_card_pendingRefund")), days=11)
    watch_waiting()
    acknowledge(OpenItem.objects.get(), note="Stripe support knows", staff_user=make_user("grace"))

    assert watch_waiting() == {}
    OpenItem.objects.update(resolved_at=timezone.now() - timedelta(days=10))
    assert watch_waiting() == {Kind.SLOW: 1}


def test_a_slow_refund_stays_shown_while_the_attendee_has_to_act(sandbox: "SandboxServer") -> None:
    part = send(card_order(sandbox, card="pm_card_pendingRefund"))
    age(part, days=11)
    watch_waiting()

    control(sandbox, f"refunds/{part.stripe_refund_id}/require_action")
    resolve_refund(part.refund)
    assert waiting() == [Kind.SLOW]

    control(sandbox, f"refunds/{part.stripe_refund_id}/fail")
    resolve_refund(part.refund)
    assert waiting() == [Kind.FAILED]


@pytest.mark.trap(34)
def test_a_balance_that_is_too_low_says_what_to_top_up(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    control(sandbox, "balance", available={"usd": 1250})

    part = send(order)

    order.refresh_from_db()
    assert (part.state, part.pending_reason) == (State.PENDING, "insufficient_funds")
    assert (order.refunded_amount, order.refundable_amount) == (Decimal("80.00"), Decimal("20.00"))
    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.order, item.refund) == (Kind.BALANCE_LOW, order, part.refund)
    assert explanation(item) == (
        "A refund of $80.00 waits because the Stripe balance is too low."
        " It holds $12.50 and $80.00 waits: top up $67.50."
    )
    assert_books_agree()

    control(sandbox, "balance", available={"usd": 10_000})
    assert str(check_now(item).resolution) == "Stripe answered: Succeeded."
    assert_books_agree()


@pytest.mark.trap(34)
def test_all_that_waits_for_the_balance_is_added_up(sandbox: "SandboxServer") -> None:
    conference = make_conference()
    orders = [card_order(sandbox, conference=conference) for _number in range(2)]
    control(sandbox, "balance", available={"usd": -500})
    for order, amount in zip(orders, ("80.00", "15.00"), strict=True):
        send(order, amount)

    shorts = {item.facts["short"] for item in OpenItem.objects.unresolved()}
    assert (waiting(), shorts) == ([Kind.BALANCE_LOW] * 2, {"100.00"})

    control(sandbox, "balance", available={"usd": 7_000})
    call_command("run_worker", once=True)
    assert {item.facts["short"] for item in OpenItem.objects.unresolved()} == {"40.00"}


@pytest.mark.trap(34)
def test_a_shortage_that_only_an_event_tells_of_is_shown_too(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    control(sandbox, "balance", available={"usd": 0})
    intent = order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=1000")

    process(store(order.conference, "refund.created", {"id": made["id"]}))

    item = OpenItem.objects.unresolved().get(kind=Kind.BALANCE_LOW)
    assert item.facts["short"] == "10.00"


@pytest.mark.trap(34)
def test_a_balance_that_stripe_does_not_tell_leaves_the_item_without_a_sum(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    control(sandbox, "balance", available={"usd": 0})

    with fault(sandbox, "reset", count=9, path="/v1/balance"):
        send(order)

    item = OpenItem.objects.unresolved().get()
    assert explanation(item) == "A refund of $80.00 waits because the Stripe balance is too low."
    watch_waiting()
    item.refresh_from_db()
    assert explanation(item).endswith("It holds $0.00 and $80.00 waits: top up $80.00.")


@pytest.mark.trap(34)
def test_enough_balance_is_said_before_stripe_has_sent_it(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    control(sandbox, "balance", available={"usd": 0})
    send(order)
    item = OpenItem.objects.get()

    item.facts |= {"available": "90.00", "short": "0.00"}

    assert explanation(item).endswith("It holds $90.00 by now, which covers the $80.00 that wait.")


@pytest.mark.trap(34)
def test_a_pending_refund_that_got_its_money_is_no_longer_short(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    control(sandbox, "balance", available={"usd": 0})
    part = send(order)
    snapshot = gateway_for(order.conference).fetch_refund(part.stripe_refund_id or "")

    apply_refund(order.conference, replace(snapshot, pending_reason="processing"))

    part.refresh_from_db()
    assert (part.state, part.pending_reason, waiting()) == (State.PENDING, "processing", [])


@pytest.fixture
def held_credit(sandbox: "SandboxServer") -> Refund:
    """40.00 that becomes credit once the time to undo it is over, and that nobody sent for eleven minutes since."""
    order = card_order(sandbox)
    with pytest.raises(RefundHeld) as held:
        RefundService.create_refund(
            order, amount=Decimal("40.00"), destination=Refund.Destination.CREDIT, hold_seconds=60
        )
    refund = held.value.refund
    age(refund.parts.get(), minutes=11)
    Refund.objects.filter(pk=refund.pk).update(hold_until=timezone.now() - timedelta(minutes=10))
    return Refund.objects.get(pk=refund.pk)


@pytest.mark.trap(10)
def test_credit_that_nobody_carries_out_becomes_an_item_too(held_credit: Refund) -> None:
    assert watch_waiting() == {Kind.UNSENT: 1}
    assert watch_waiting() == {}

    item = OpenItem.objects.unresolved().get()
    assert (item.refund, item.subject) == (held_credit, f"part:{held_credit.parts.get().pk}")
    resolve_open()
    item.refresh_from_db()
    assert (waiting(), str(item.resolution)) == ([], "It was carried out: Succeeded.")
    assert held_credit.credits.get().remaining_amount == Decimal("40.00")


def test_check_now_sends_what_could_be_undone_until_a_while_ago(held_credit: Refund) -> None:
    watch_waiting()

    assert str(check_now(OpenItem.objects.get()).resolution) == "It was carried out: Succeeded."

    held_credit.refresh_from_db()
    assert (held_credit.state, held_credit.is_overdue) == (State.SUCCEEDED, False)
    assert_books_agree()


def test_check_now_leaves_alone_what_can_still_be_undone(held_credit: Refund) -> None:
    watch_waiting()
    Refund.objects.update(hold_until=timezone.now() + timedelta(minutes=1))

    assert check_now(OpenItem.objects.get()).resolved_at is None

    held_credit.refresh_from_db()
    assert held_credit.is_held


def test_what_is_not_possible_any_more_ends_its_item_and_says_why(held_credit: Refund) -> None:
    watch_waiting()
    payment = held_credit.parts.get().payment
    payment.dispute = {"id": "dp_1", "status": "needs_response"}
    payment.save()

    resolve_open()

    ended = OpenItem.objects.get(kind=Kind.UNSENT)
    assert (waiting(), str(ended.resolution)) == (
        [Kind.FAILED],
        "It was not sent, because it is not possible any more.",
    )


def test_what_follows_a_card_part_needs_no_item_of_its_own(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    split = {"destination": Refund.Destination.SPLIT, "credit_amount": Decimal("30.00")}
    with fault(sandbox, "rate_limit", count=99, method="POST"), pytest.raises(RefundUnconfirmed):
        RefundService.create_refund(order, amount=Decimal("80.00"), **split)
    for part in RefundPart.objects.all():
        age(part, minutes=11)

    assert watch_waiting() == {Kind.UNSENT: 1}
    assert OpenItem.objects.get().subject == f"part:{RefundPart.objects.get(channel='STRIPE').pk}"


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"since": "2026-11-02T09:00:00+00:00"}, "Waits there since 2 November 2026"), ({}, "is slow at Stripe.")],
)
def test_what_is_slow_at_stripe_says_since_when(facts: dict[str, str], said: str) -> None:
    item = OpenItem.objects.create(conference=make_conference(), kind=OpenItem.Kind.SLOW, subject="part:1", facts=facts)

    assert said in in_short(item)
    assert item.get_kind_display() == "Slow at Stripe"
