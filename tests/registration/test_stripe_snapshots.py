"""What Stripe says of an object is read whole; what cannot be read says nothing about the money."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration.models import Order, Refund, RefundPart
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from registration.stripe_gateway import StripeUnavailable, gateway_for
from registration.stripe_snapshots import RefundSnapshot
from stripe_sandbox.ids import account_id
from tests.registration.books import KEY, control, stripe_get, stripe_post
from tests.registration.desk import card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
A_WEEK = 7 * 24 * 3600


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 by card."""
    return card_order(sandbox)


def edit(sandbox: "SandboxServer", kind: str, key: str, **changes: Any) -> None:
    """Change a record at Stripe by hand."""
    store, account = sandbox.store, account_id(KEY)
    store.put(account, kind, (store.get(account, kind, key) or {}) | changes)


def refunded(order: Order) -> RefundPart:
    RefundService.create_refund(order, amount=Decimal("40.00"), destination=Refund.Destination.CARD)
    return RefundPart.objects.get()


def at_stripe(part: RefundPart) -> RefundSnapshot:
    return gateway_for(part.refund.order.conference).fetch_refund(part.stripe_refund_id or "")


def test_a_refund_is_read_whole(sandbox: "SandboxServer", order: Order) -> None:
    part = refunded(order)
    wire = stripe_get(sandbox, f"refunds/{part.stripe_refund_id}")

    read = at_stripe(part)

    assert (read.id, read.status, read.amount, read.currency) == (wire["id"], "succeeded", Decimal("40.00"), "USD")
    assert (read.charge_id, read.payment_intent_id) == (wire["charge"], wire["payment_intent"])
    assert read.created == datetime.fromtimestamp(wire["created"], UTC)
    assert read.metadata == wire["metadata"]
    assert (read.failure_reason, read.pending_reason, read.trace_reference, read.act_by) == ("", "", "", None)
    assert read.request_id.startswith("req_")


def test_the_trace_number_comes_when_the_bank_has_it(sandbox: "SandboxServer", order: Order) -> None:
    part = refunded(order)
    assert part.trace_reference == ""
    control(sandbox, "clock", advance_seconds=A_WEEK)

    resolve_refund(part.refund)

    part.refresh_from_db()
    wire = stripe_get(sandbox, f"refunds/{part.stripe_refund_id}")
    assert part.trace_reference == wire["destination_details"]["card"]["reference"]
    assert len(part.trace_reference) == 23


def test_why_a_refund_failed_and_why_one_waits_is_read(sandbox: "SandboxServer", order: Order) -> None:
    part = refunded(order)
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", reason="lost_or_stolen_card")
    assert at_stripe(part).failure_reason == "lost_or_stolen_card"

    control(sandbox, "balance", available={"usd": 0})
    intent = order.payments.get().stripe_payment_intent_id
    waits = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=1000")
    read = gateway_for(order.conference).fetch_refund(waits["id"])
    assert (read.status, read.pending_reason) == ("pending", "insufficient_funds")


def test_a_payment_is_read_with_its_card(sandbox: "SandboxServer", order: Order) -> None:
    intent = order.payments.get().stripe_payment_intent_id
    edit(sandbox, "payment_intent", intent, metadata={"order": order.reference})

    read = gateway_for(order.conference).fetch_payment_intent(intent)

    assert (read.id, read.status, read.amount, read.currency) == (intent, "succeeded", Decimal("100.00"), "USD")
    assert read.charge_id == stripe_get(sandbox, f"payment_intents/{intent}")["latest_charge"]
    assert (read.livemode, read.card_brand, read.card_last4) == (False, "visa", "4242")
    assert read.metadata == {"order": order.reference}


def test_a_payment_that_did_not_succeed_is_over_what_was_asked(sandbox: "SandboxServer", order: Order) -> None:
    intent = order.payments.get().stripe_payment_intent_id
    edit(sandbox, "payment_intent", intent, status="processing", amount_received=0)

    assert gateway_for(order.conference).fetch_payment_intent(intent).amount == Decimal("100.00")


def test_a_dispute_is_read_whole(sandbox: "SandboxServer", order: Order) -> None:
    gateway = gateway_for(order.conference)
    intent = gateway.fetch_payment_intent(order.payments.get().stripe_payment_intent_id)
    wire = control(sandbox, f"charges/{intent.charge_id}/dispute", account_key=KEY, reason="duplicate")

    read = gateway.fetch_dispute(wire["id"])

    assert (read.id, read.charge_id, read.payment_intent_id) == (wire["id"], intent.charge_id, intent.id)
    assert (read.status, read.reason, read.amount, read.currency) == (
        "needs_response",
        "duplicate",
        Decimal("100.00"),
        "USD",
    )
    assert (read.opened, read.is_charge_refundable) == (wire["created"], False)
    assert read.due_by == datetime.fromtimestamp(wire["evidence_details"]["due_by"], UTC)


@pytest.mark.parametrize("broken", [{"amount": "?"}, {"amount": None}, {"created": 10**18}])
@pytest.mark.trap(4)
def test_an_answer_that_cannot_be_read_is_no_answer(
    sandbox: "SandboxServer", order: Order, broken: dict[str, Any]
) -> None:
    part = refunded(order)
    edit(sandbox, "refund", part.stripe_refund_id or "", **broken)

    with pytest.raises(StripeUnavailable, match="could not be read"):
        at_stripe(part)

    assert resolve_refund(part.refund).state == Refund.State.SUCCEEDED, "it is left as it was"
