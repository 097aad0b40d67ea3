"""Metadata can be copied by anybody at Stripe: a refund over another sum is not the part that it names."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from registration.models import Order, Refund, RefundPart
from registration.models.refund import State
from registration.services.errors import RefundError
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, stripe_post
from tests.registration.desk import card_order, refunds_at_stripe

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
