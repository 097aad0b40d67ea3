"""Payments by credit that name no credit, and credit notes that name no refund: rows that an import leaves."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from registration.models import Credit, Order, Payment, Refund
from registration.services.credit import CreditService
from registration.services.credit_payment import release_order
from registration.services.refund import RefundService
from tests.registration.books import assert_books_agree, make_conference, make_order, make_user
from tests.registration.desk import card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


def pay_by_unknown_credit(order: Order, amount: str) -> Payment:
    return Payment.objects.create(
        order=order, method=Payment.Method.CREDIT, status=Payment.Status.SUCCEEDED, amount=Decimal(amount)
    )


@pytest.mark.parametrize(
    ("destination", "spendable"),
    [(Refund.Destination.CARD, "40.00"), (Refund.Destination.CREDIT, "100.00"), ("CARD_AND_CREDIT", "100.00")],
)
@pytest.mark.trap(23)
def test_every_tender_goes_back_when_the_credit_is_not_known(
    sandbox: "SandboxServer", destination: str, spendable: str
) -> None:
    order = card_order(sandbox, "60.00")
    Order.objects.filter(pk=order.pk).update(total=Decimal("100.00"), subtotal=Decimal("100.00"))
    pay_by_unknown_credit(order, "40.00")

    RefundService.create_refund(order, amount=Decimal("100.00"), destination=destination)

    credits = list(Credit.objects.all())
    assert sum(credit.remaining_amount for credit in credits) == Decimal(spendable)
    assert len(credits) == 2, "one for what went back, one that records the rest"
    order.refresh_from_db()
    assert order.status == Order.Status.REFUNDED


@pytest.mark.trap(26)
def test_releasing_an_order_gives_back_credit_that_is_not_known() -> None:
    order = make_order(make_conference(), "100.00")
    payment = pay_by_unknown_credit(order, "40.00")

    release_order(order, reason="Hold expired")

    credit = Credit.objects.get()
    payment.refresh_from_db()
    assert (credit.remaining_amount, credit.user, payment.credit) == (Decimal("40.00"), order.user, credit)
    assert order.refundable_amount == Decimal("0.00")


@pytest.mark.trap(43)
def test_what_was_spent_of_a_voided_note_stays_refunded(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "100.00")
    note = Credit.objects.create(
        user=order.user, conference=order.conference, amount=Decimal("100.00"), source_order=order
    )
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PARTIALLY_REFUNDED)
    RefundService.apply_credit_as_refund(note, make_order(order.conference, "40.00"))

    CreditService.void(note, reason="Made by mistake", staff_user=make_user("grace"))

    order.refresh_from_db()
    assert (order.refunded_amount, order.refundable_amount) == (Decimal("40.00"), Decimal("60.00"))
    assert_books_agree()
