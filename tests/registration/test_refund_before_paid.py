"""A pending order of which part was paid, and went back at Stripe before the rest arrived."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from registration.models import Credit, Order
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, make_conference, make_order, stripe_post
from tests.registration.desk import add_card_payment

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.mark.trap(14, 23)
def test_what_went_back_is_due_again(sandbox: "SandboxServer") -> None:
    order = make_order(make_conference(), "100.00")
    payment = add_card_payment(sandbox, order, "60.00")
    made = stripe_post(sandbox, "refunds", f"payment_intent={payment.stripe_payment_intent_id}")
    apply_refund(order.conference, gateway_for(order.conference).fetch_refund(made["id"]))
    credit = Credit.objects.create(user=order.user, conference=order.conference, amount=Decimal("150.00"))
    order.refresh_from_db()
    assert order.due_amount == Decimal("100.00")

    RefundService.apply_credit_as_refund(credit, order)

    assert (order.status, credit.remaining_amount) == (Order.Status.PARTIALLY_REFUNDED, Decimal("50.00"))
    assert_books_agree()
