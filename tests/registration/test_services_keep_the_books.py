"""Whatever the services do, ``verify_ledger`` agrees with it."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from registration.models import Conference, Credit, Order, Payment, Refund, RefundPart
from registration.services.credit import CreditService
from registration.services.credit_payment import release_order
from registration.services.events import refund_changed
from registration.services.refund import RefundService
from tests.registration.books import (
    assert_books_agree,
    control,
    make_card_order,
    make_conference,
    make_order,
    make_user,
    seed,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
Destination = Refund.Destination


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.fixture
def order(conference: Conference, sandbox: "SandboxServer") -> Order:
    """100.00 by card, known at Stripe."""
    seed(sandbox)
    return make_card_order(conference)


@pytest.mark.trap(45)
@pytest.mark.parametrize("amount", ["0.01", "40.00", "100.00"])
@pytest.mark.parametrize("destination", [Destination.CARD, Destination.CREDIT, Destination.CARD_AND_CREDIT])
def test_a_refund(destination: str, amount: str, order: Order) -> None:
    RefundService.create_refund(order, amount=Decimal(amount), destination=destination)

    assert_books_agree()


def test_a_split_refund(order: Order) -> None:
    RefundService.create_refund(
        order, amount=Decimal("30.00"), destination=Destination.SPLIT, credit_amount=Decimal("10.00")
    )

    assert_books_agree()


@pytest.mark.trap(11)
@pytest.mark.parametrize("destination", [Destination.CARD, Destination.CARD_AND_CREDIT])
def test_a_refund_that_fails_later(
    destination: str, order: Order, conference: Conference, sandbox: "SandboxServer"
) -> None:
    RefundService.create_refund(order, amount=Decimal("100.00"), destination=destination)
    refund_id = RefundPart.objects.get().stripe_refund_id
    control(sandbox, f"refunds/{refund_id}/fail")

    refund_changed(conference, {"id": refund_id})

    order.refresh_from_db()
    assert order.status == Order.Status.PAID
    assert_books_agree()


@pytest.mark.trap(23)
@pytest.mark.trap(27)
def test_credit_spent_on_two_orders_and_returned(order: Order, conference: Conference) -> None:
    RefundService.create_refund(order, amount=Decimal("50.00"), destination=Destination.CREDIT)
    credit = Credit.objects.get()
    first, second = make_order(conference, "30.00"), make_order(conference, "40.00")
    RefundService.apply_credit_as_refund(credit, first)
    RefundService.apply_credit_as_refund(credit, second)
    assert_books_agree()

    first.refresh_from_db()
    RefundService.create_refund(first, amount=Decimal("12.00"), destination=Destination.CARD)
    release_order(second)

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal("32.00")
    assert_books_agree()


def test_gifts_corrections_and_ends(conference: Conference) -> None:
    ada, grace = make_user(), make_user("grace")
    gifts = [
        CreditService.issue(ada, conference, amount=Decimal("20.00"), reason="Sorry", staff_user=grace)
        for _index in range(4)
    ]
    CreditService.adjust(gifts[0], amount=Decimal("-5.00"), reason="Too much", staff_user=grace)
    CreditService.adjust(gifts[1], amount=Decimal("-20.00"), reason="Not meant", staff_user=grace)
    CreditService.void(gifts[2], reason="Not meant", staff_user=grace)
    Credit.objects.filter(pk=gifts[3].pk).update(expires_at=timezone.now() - timedelta(days=1))
    CreditService.expire_due()

    assert_books_agree()


def test_a_payment_by_hand_paid_back_by_hand(conference: Conference) -> None:
    order = make_order(conference, status=Order.Status.PAID)
    Payment.objects.create(
        order=order, method=Payment.Method.MANUAL, status=Payment.Status.SUCCEEDED, amount=order.total
    )

    RefundService.create_refund(order, amount=Decimal("100.00"), destination=Destination.CARD)

    assert_books_agree()
