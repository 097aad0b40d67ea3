"""Every way a call to Stripe can go wrong ends with one refund, or none, and books that know which."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.utils import timezone

from registration import stripe_gateway
from registration.models import Credit, OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.services import sending
from registration.services.errors import RefundError, RefundRefused, RefundUnconfirmed
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open, resolve_refund
from registration.services.verification.run import Ledger
from tests.registration.books import control, make_conference, stripe_post
from tests.registration.desk import card_order, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
CARD = Refund.Destination.CARD
UNKNOWN_BEFORE = ["reset", "close", "server_error", "unavailable_html"]
UNKNOWN_AFTER = [
    "reset_after_commit",
    "close_after_commit",
    "half_body_after_commit",
    "server_error_after_commit",
    "garbage_after_commit",
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One try, short pauses: what Stripe's client would retry by itself is left to ours."""
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(stripe_gateway, "READ_SECONDS", 0.5)
    monkeypatch.setattr(sending, "BUSY_PAUSES", (0.0, 0.0))
    stripe_gateway._client.cache_clear()


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    return card_order(sandbox)


def send(order: Order, amount: str = "25.00") -> Credit:
    return RefundService.create_refund(order, amount=Decimal(amount), destination=CARD)


@pytest.mark.parametrize("name", UNKNOWN_BEFORE + UNKNOWN_AFTER)
@pytest.mark.trap(4, 5)
def test_an_answer_that_cannot_be_trusted_ends_as_one_refund(sandbox: "SandboxServer", order: Order, name: str) -> None:
    with fault(sandbox, name, method="POST"), pytest.raises(RefundUnconfirmed, match="being verified"):
        send(order)
    assert (order.reserved_amount, order.refundable_amount) == (Decimal("25.00"), Decimal("75.00"))
    assert order.status == Order.Status.PAID
    assert order.open_items.unresolved().get().kind == OpenItem.Kind.UNCONFIRMED
    with pytest.raises(RefundError, match="At most"):
        send(order, "75.01")

    resolve_open(at_once=True)

    order.refresh_from_db()
    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [2500]
    assert (order.refunded_amount, order.reserved_amount) == (Decimal("25.00"), Decimal("0.00"))
    assert order.status == Order.Status.PARTIALLY_REFUNDED
    assert not order.open_items.unresolved().exists()
    assert list(Ledger().findings()) == []


@pytest.mark.trap(4)
def test_a_stalled_answer_is_unconfirmed_and_then_found(sandbox: "SandboxServer", order: Order) -> None:
    with fault(sandbox, "timeout_after_commit", seconds=2, method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)

    resolve_refund(order.refunds.get())

    assert order.refunds.get().state == State.SUCCEEDED
    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.trap(5)
def test_a_saved_500_without_a_refund_ends_as_failed(sandbox: "SandboxServer", order: Order) -> None:
    with fault(sandbox, "server_error_saved", method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)

    resolve_open(at_once=True)

    order.refresh_from_db()
    made = order.refunds.get()
    assert (made.state, order.refundable_amount) == (State.FAILED, Decimal("100.00"))
    assert refunds_at_stripe(sandbox, order) == []
    retried = RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD, retry_of=made)
    assert retried.refund is not None
    assert retried.refund.retry_of == made
    assert not order.open_items.unresolved().exists()


@pytest.mark.parametrize("name", ["rate_limit", "lock_timeout", "conflict"])
@pytest.mark.trap(36)
def test_a_busy_stripe_is_tried_again_with_the_same_key(sandbox: "SandboxServer", order: Order, name: str) -> None:
    with fault(sandbox, name, count=2, method="POST"):
        send(order)

    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.trap(36)
def test_a_stripe_that_stays_busy_leaves_the_refund_to_the_resolver(sandbox: "SandboxServer", order: Order) -> None:
    with fault(sandbox, "rate_limit", count=9, method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)
    assert order.refunds.get().state == State.REQUESTED

    call_command("resolve_refunds", "--now")

    assert order.refunds.get().state == State.SUCCEEDED
    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.trap(2, 3)
def test_a_crash_before_sending_is_finished_by_the_resolver(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(part: RefundPart) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", crash)
        with pytest.raises(SystemExit):
            send(order)

    assert resolve_open() == {}, "a young one is left to its request"
    resolve_open(at_once=True)

    assert order.refunds.get().state == State.SUCCEEDED
    assert order.issued_credits.count() == 1
    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.trap(3)
def test_a_crash_between_stripe_and_our_commit_is_one_refund(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(part: RefundPart, snapshot: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(sending, "apply_snapshot", crash)
        with pytest.raises(SystemExit):
            send(order)
    assert len(refunds_at_stripe(sandbox, order)) == 1

    resolve_open(at_once=True)

    assert order.refunds.get().state == State.SUCCEEDED
    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.parametrize("reached_stripe", [True, False])
@pytest.mark.trap(2)
def test_past_23_hours_it_is_looked_up_and_never_sent_again(
    sandbox: "SandboxServer", order: Order, reached_stripe: bool
) -> None:
    name = "reset_after_commit" if reached_stripe else "reset"
    with fault(sandbox, name, method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)
    RefundPart.objects.update(sent_at=timezone.now() - timedelta(hours=23, minutes=1))

    with fault(sandbox, "rate_limit", count=9, method="POST"):  # A second send would be refused as busy.
        resolve_open(at_once=True)

    assert order.refunds.get().state == (State.SUCCEEDED if reached_stripe else State.FAILED)
    assert len(refunds_at_stripe(sandbox, order)) == int(reached_stripe)


@pytest.mark.trap(2)
def test_one_that_was_never_sent_is_sent_even_after_a_day(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        with pytest.raises(RefundUnconfirmed):
            send(order)
    RefundPart.objects.update(created_at=timezone.now() - timedelta(days=2))

    resolve_open()

    assert order.refunds.get().state == State.SUCCEEDED
    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.trap(35)
def test_a_payment_refunded_elsewhere_is_explained(sandbox: "SandboxServer", order: Order) -> None:
    stripe_post(sandbox, "refunds", f"payment_intent={order.payments.get().stripe_payment_intent_id}")

    with pytest.raises(RefundRefused, match="already refunded"):
        send(order)

    assert order.refunds.filter(source=Refund.Source.DESK).get().state == State.FAILED


def test_a_wrong_key_ends_a_first_try_but_not_an_unknown_one(sandbox: "SandboxServer", order: Order) -> None:
    with fault(sandbox, "reset_after_commit", method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)
    conference = order.conference
    right, conference.stripe_secret_key = conference.stripe_secret_key, "sk_test_nobody"
    conference.save()

    resolve_open(at_once=True)
    assert order.refunds.get().state == State.UNCONFIRMED
    fresh = Order.objects.get(pk=order.pk)
    with pytest.raises(RefundRefused, match="did not accept the conference's key"):
        send(fresh)

    conference.stripe_secret_key = right
    conference.save()
    resolve_open(at_once=True)
    assert len(refunds_at_stripe(sandbox, order)) == 1


def test_a_conference_without_a_key_is_refused(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, conference=make_conference("keyless", stripe_secret_key=""))

    with pytest.raises(RefundRefused, match="no Stripe key"):
        send(order)
    order.refresh_from_db()
    assert order.refundable_amount == Decimal("100.00")


@pytest.mark.trap(11)
def test_a_refund_that_fails_later_reopens_the_balance(sandbox: "SandboxServer", order: Order) -> None:
    gift = RefundService.create_refund(order, amount=Decimal("100.00"))
    part = RefundPart.objects.get()

    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="lost_or_stolen_card")
    resolve_refund(part.refund)

    order.refresh_from_db()
    gift.refresh_from_db()
    assert (order.status, order.refundable_amount) == (Order.Status.PAID, Decimal("100.00"))
    assert (gift.status, gift.remaining_amount) == (Credit.Status.VOIDED, Decimal("0.00"))
    assert order.open_items.unresolved().get().kind == OpenItem.Kind.FAILED
    assert list(Ledger().findings()) == []


@pytest.mark.trap(11)
def test_a_spent_gift_of_a_failed_refund_is_an_open_item(sandbox: "SandboxServer", order: Order) -> None:
    gift = RefundService.create_refund(order, amount=Decimal("100.00"))
    target = Order.objects.create(conference=order.conference, user=order.user, total=Decimal("30.00"))
    RefundService.apply_credit_as_refund(gift, target)
    part = RefundPart.objects.get()

    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(part.refund)

    kinds = set(order.open_items.unresolved().values_list("kind", flat=True))
    assert kinds == {OpenItem.Kind.FAILED, OpenItem.Kind.CREDIT_SPENT}


@pytest.mark.trap(10)
def test_pending_is_not_done(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, card="pm_card_pendingRefund")

    send(order)

    assert order.refunds.get().state == State.PENDING
    assert order.refunded_amount == Decimal("25.00")


@pytest.mark.trap(11)
def test_the_note_of_a_card_refund_that_fails_later_is_voided(sandbox: "SandboxServer", order: Order) -> None:
    note = RefundService.create_refund(order, amount=Decimal("30.00"), destination=CARD)

    control(sandbox, f"refunds/{RefundPart.objects.get().stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(order.refunds.get())

    note.refresh_from_db()
    assert (note.status, note.remaining_amount) == (Credit.Status.VOIDED, Decimal("0.00"))
    assert list(Ledger().findings()) == []
