"""What the database itself refuses, whoever writes and by whatever way: the last guard of the money rules."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from registration.models import Credit, Order, Payment, Refund, RefundPart
from registration.services.errors import RefundError
from registration.services.planner import blocked_reason, plan_refund, refund_ceiling
from tests.registration.books import assert_books_agree, make_card_order, make_conference, make_order, make_refund
from tests.registration.ledger import guards_off

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    """Paid 100.00 by card."""
    return make_card_order(make_conference())


def note(order: Order, amount: str, **fields: str) -> Credit:
    """A credit note written by hand, as another project or an import would."""
    return Credit.objects.create(
        user=order.user, conference=order.conference, source_order=order, amount=Decimal(amount), **fields
    )


@pytest.mark.trap(43)
def test_hand_made_credit_notes_never_give_back_more_than_was_paid(order: Order) -> None:
    note(order, "60.00")
    note(order, "40.00")

    with pytest.raises(IntegrityError), transaction.atomic():
        note(order, "0.01")

    order.refresh_from_db()
    assert (order.refunded_amount, order.refundable_amount) == (Decimal("100.00"), Decimal("0.00"))
    assert order.issued_credits.count() == 2


@pytest.mark.trap(43)
def test_a_card_refund_of_what_a_hand_made_note_gave_back_is_refused(order: Order) -> None:
    note(order, "60.00")

    with pytest.raises(IntegrityError), transaction.atomic():
        make_refund(order, "40.01", "requested")

    make_refund(order, "40.00", "requested")
    order.refresh_from_db()
    assert (order.reserved_amount, order.refundable_amount) == (Decimal("40.00"), Decimal("0.00"))


def test_taking_a_payment_back_is_refused_while_a_note_stands_for_it(order: Order) -> None:
    note(order, "60.00")

    with pytest.raises(IntegrityError), transaction.atomic():
        order.payments.update(status=Payment.Status.FAILED)

    assert order.payments.get().status == Payment.Status.SUCCEEDED


@pytest.mark.trap(46)
def test_gifts_may_be_larger_than_what_was_paid(order: Order) -> None:
    note(order, "500.00", kind=Credit.Kind.GOODWILL)

    order.refresh_from_db()
    assert order.refundable_amount == Decimal("100.00")
    assert_books_agree()


@pytest.mark.trap(38)
def test_a_payment_in_another_currency_is_refused(order: Order) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.create(order=order, amount=Decimal("1.00"), currency="EUR", status=Payment.Status.SUCCEEDED)
    with pytest.raises(IntegrityError), transaction.atomic():
        order.payments.update(currency="EUR")
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(currency="EUR")

    assert order.payments.get().currency == "USD"


@pytest.mark.trap(38)
def test_a_refund_in_another_currency_is_refused(order: Order) -> None:
    part = make_refund(order, "10.00", "requested")

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.filter(pk=part.refund_id).update(currency="EUR")
    with pytest.raises(IntegrityError), transaction.atomic():
        RefundPart.objects.filter(pk=part.pk).update(currency="EUR")
    with pytest.raises(IntegrityError), transaction.atomic():
        RefundPart.objects.create(
            refund=part.refund, payment=part.payment, channel=part.channel, amount=part.amount, currency="EUR"
        )


def test_an_order_without_payments_may_change_its_currency() -> None:
    order = make_order(make_conference())

    Order.objects.filter(pk=order.pk).update(currency="EUR")

    assert Order.objects.get().currency == "EUR"


@pytest.mark.trap(38)
def test_a_payment_in_another_currency_is_not_planned_with(order: Order) -> None:
    with guards_off():
        order.payments.update(currency="EUR")
    order = Order.objects.get()

    assert blocked_reason(order) == (
        "Not refundable: it was paid in EUR and the order is in USD. Ask an administrator."
    )
    assert refund_ceiling(order) == Decimal("0.00")
    with pytest.raises(RefundError, match="paid in EUR"):
        plan_refund(order, amount=Decimal("10.00"), destination=Refund.Destination.CARD)
