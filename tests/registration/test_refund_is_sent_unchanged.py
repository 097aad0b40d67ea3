"""Between two sends of a part nothing about it changes, and late answers of the one do not undo the other."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration import stripe_gateway
from registration.models import Order, Payment, Refund, RefundPart
from registration.models.refund import State
from registration.services import resolve, sending
from registration.services.errors import RefundUnconfirmed
from registration.services.late_payments import apply_intent
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.services.settle import apply_snapshot
from registration.stripe_gateway import StripeGateway, StripeUnavailable, gateway_for
from registration.stripe_snapshots import RefundSnapshot
from tests.registration.desk import card_order, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
CARD = Refund.Destination.CARD


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(sending, "BUSY_PAUSES", (0.0, 0.0))
    stripe_gateway._client.cache_clear()


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    return card_order(sandbox)


def send(order: Order) -> None:
    RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD)


@pytest.mark.parametrize("known", ["stripe_payment_intent_id", "stripe_charge_id"])
@pytest.mark.trap(6)
def test_what_stripe_tells_of_the_payment_later_is_not_sent(sandbox: "SandboxServer", order: Order, known: str) -> None:
    intent = gateway_for(order.conference).fetch_payment_intent(order.payments.get().stripe_payment_intent_id)
    ids = {"stripe_payment_intent_id": intent.id, "stripe_charge_id": intent.charge_id}
    Payment.objects.update(**{name: value if name == known else "" for name, value in ids.items()})
    with fault(sandbox, "reset_after_commit", method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)
    before = stripe_gateway.refund_parameters(RefundPart.objects.get())

    apply_intent(order.conference, intent)

    assert stripe_gateway.refund_parameters(RefundPart.objects.get()) == before
    resolve_open(at_once=True)
    assert RefundPart.objects.get().state == State.SUCCEEDED


@pytest.mark.trap(3, 6)
def test_a_lookup_that_was_too_early_does_not_undo_what_stripe_accepted(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fault(sandbox, "reset_after_commit", method="POST"), pytest.raises(RefundUnconfirmed):
        send(order)
    find = StripeGateway.find_refund

    def too_early(self: StripeGateway, part: RefundPart) -> RefundSnapshot | None:
        """Nothing is listed yet; by the time the answer is here, somebody else recorded the refund."""
        snapshot = find(self, part)
        assert snapshot is not None
        apply_snapshot(part, snapshot)
        return None

    def replayed(self: StripeGateway, part: RefundPart) -> Any:
        raise StripeUnavailable("Stripe did not answer.", was_replayed=True)

    monkeypatch.setattr(StripeGateway, "find_refund", too_early)
    monkeypatch.setattr(StripeGateway, "send_refund", replayed)

    resolve_open(at_once=True)

    order.refresh_from_db()
    assert (RefundPart.objects.get().state, order.refundable_amount) == (State.SUCCEEDED, Decimal("75.00"))
    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.trap(18)
def test_one_part_that_cannot_be_recorded_does_not_hold_up_the_others(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fault(sandbox, "reset_after_commit", count=2, method="POST"):
        for _time in range(2):
            with pytest.raises(RefundUnconfirmed):
                send(order)
    first, second = RefundPart.objects.order_by("pk")
    real = resolve.send_part

    def broken_for_the_first(part: RefundPart) -> RefundPart:
        if part.pk == first.pk:
            raise ValueError("cannot be recorded")
        return real(part)

    monkeypatch.setattr(resolve, "send_part", broken_for_the_first)

    resolve_open(at_once=True)

    second.refresh_from_db()
    assert second.state == State.SUCCEEDED
