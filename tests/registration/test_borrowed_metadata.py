"""Metadata can be copied by anybody at Stripe: a refund over another sum is not the part that it names."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from registration.models import Order, Refund, RefundPart
from registration.models.refund import State
from registration.services.errors import RefundError
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, stripe_post
from tests.registration.desk import card_order, fault, refunds_at_stripe

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
