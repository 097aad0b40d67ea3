"""Metadata can be copied by anybody at Stripe: over another sum or of another payment a refund is not what it names."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from registration.models import OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import State
from registration.services.errors import RefundError
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.stripe_gateway import gateway_for
from registration.stripe_snapshots import RefundSnapshot
from tests.registration.books import assert_books_agree, stripe_post
from tests.registration.desk import add_card_payment, card_order, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.mark.trap(14, 15)
def test_a_refund_over_another_sum_is_external(sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch) -> None:
    order = card_order(sandbox)
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        with pytest.raises(RefundError):
            RefundService.create_refund(order, amount=Decimal("25.00"), destination=Refund.Destination.CARD)
    part, intent = RefundPart.objects.get(), order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=4000&metadata[part]={part.uuid}")

    apply_refund(order.conference, gateway_for(order.conference).fetch_refund(made["id"]))
    resolve_open(at_once=True)

    part.refresh_from_db()
    order = Order.objects.get(pk=order.pk)
    assert (part.state, order.refunded_amount) == (State.SUCCEEDED, Decimal("65.00"))
    assert sorted(r["amount"] for r in refunds_at_stripe(sandbox, order)) == [2500, 4000]
    assert_books_agree()


@pytest.mark.parametrize("copied_amount", [4000, 2500])
@pytest.mark.trap(5, 15)
def test_looking_up_what_became_of_a_part_trusts_no_copied_metadata(
    sandbox: "SandboxServer", copied_amount: int
) -> None:
    order = card_order(sandbox)
    with fault(sandbox, "reset_after_commit", count=9, method="POST"), pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("25.00"), destination=Refund.Destination.CARD)
    part, (ours,) = RefundPart.objects.get(), refunds_at_stripe(sandbox, order)
    intent = order.payments.get().stripe_payment_intent_id
    copy = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount={copied_amount}&metadata[part]={part.uuid}")
    RefundPart.objects.update(sent_at=timezone.now() - timedelta(hours=24))

    resolve_open(at_once=True)
    apply_refund(order.conference, gateway_for(order.conference).fetch_refund(copy["id"]))

    part.refresh_from_db()
    assert (part.state, part.stripe_refund_id) == (State.SUCCEEDED, ours["id"])
    assert order.refunds.get(source=Refund.Source.EXTERNAL).amount == Decimal(copied_amount) / 100
    assert_books_agree()


@pytest.mark.trap(5, 15)
def test_only_a_copy_over_another_sum_is_not_ours(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    with fault(sandbox, "reset", count=9, method="POST"), pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("25.00"), destination=Refund.Destination.CARD)
    part, intent = RefundPart.objects.get(), order.payments.get().stripe_payment_intent_id
    stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=4000&metadata[part]={part.uuid}")
    RefundPart.objects.update(sent_at=timezone.now() - timedelta(hours=24))

    resolve_open(at_once=True)

    part.refresh_from_db()
    assert (part.state, part.stripe_refund_id) == (State.FAILED, None)


@pytest.fixture
def by_card_and_hand(sandbox: "SandboxServer") -> Order:
    """100.00 by card and 50.00 by bank transfer."""
    order = card_order(sandbox)
    Order.objects.filter(pk=order.pk).update(total=Decimal("150.00"))
    status = Payment.Status.SUCCEEDED
    Payment.objects.create(order=order, method=Payment.Method.MANUAL, status=status, amount=Decimal("50.00"))
    return Order.objects.get(pk=order.pk)


@pytest.mark.parametrize("status", ["pending", "succeeded"])
@pytest.mark.trap(14, 15)
def test_no_refund_at_stripe_stands_for_a_transfer_by_hand(
    sandbox: "SandboxServer", by_card_and_hand: Order, status: str
) -> None:
    order = by_card_and_hand
    RefundService.create_refund(order, amount=Decimal("150.00"), destination=Refund.Destination.CARD)
    transfer = RefundPart.objects.get(channel=RefundPart.Channel.MANUAL)
    other = card_order(sandbox, "100.00", order.conference, user="bob")

    apply_refund(order.conference, copy_at_stripe(sandbox, other, transfer, status))

    transfer.refresh_from_db()
    assert (transfer.state, transfer.stripe_refund_id) == (State.AWAITING_TRANSFER, None)
    assert_is_external(other, status)
    assert OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.MANUAL_TRANSFER).count() == 1
    assert_books_agree()


@pytest.mark.parametrize("is_own_order", [False, True])
@pytest.mark.trap(14, 15, 21)
def test_no_refund_of_another_payment_stands_for_a_part(sandbox: "SandboxServer", is_own_order: bool) -> None:
    order = card_order(sandbox)
    with fault(sandbox, "reset", count=9, method="POST"), pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("50.00"), destination=Refund.Destination.CARD)
    part = RefundPart.objects.get()
    other = order if is_own_order else card_order(sandbox, "100.00", order.conference, user="bob")
    if is_own_order:
        Order.objects.filter(pk=order.pk).update(total=Decimal("200.00"))
        add_card_payment(sandbox, order, "100.00")

    apply_refund(order.conference, copy_at_stripe(sandbox, other, part, "succeeded"))

    part.refresh_from_db()
    assert (part.state, part.stripe_refund_id) == (State.UNCONFIRMED, None)
    assert_is_external(other, "succeeded")
    assert_books_agree()


def copy_at_stripe(sandbox: "SandboxServer", order: Order, part: RefundPart, status: str) -> RefundSnapshot:
    """A refund of the order's last payment that names a part which is not its own."""
    intent = order.payments.latest("pk").stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=5000&metadata[part]={part.uuid}")
    return replace(gateway_for(order.conference).fetch_refund(made["id"]), status=status)


def assert_is_external(order: Order, status: str) -> None:
    """The copy is in the books of the order that it was made for, and staff see it."""
    imported = order.refunds.get(source=Refund.Source.EXTERNAL)
    assert (imported.amount, imported.state) == (Decimal("50.00"), status)
    assert imported.parts.get().payment == order.payments.latest("pk")
    assert OpenItem.objects.unresolved().get(kind=OpenItem.Kind.EXTERNAL).refund == imported
