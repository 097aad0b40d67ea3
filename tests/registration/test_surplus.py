"""Refunding what was paid above the total leaves the order itself paid for."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from registration.models import OpenItem, Order, Payment, Refund
from registration.services.planner import plan_refund
from registration.services.refund import RefundService
from tests.registration.books import assert_books_agree
from tests.registration.desk import add_card_payment, card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
CARD = Refund.Destination.CARD


@pytest.fixture
def overpaid(sandbox: "SandboxServer") -> Order:
    """100.00, paid twice, with the item that says so."""
    order = card_order(sandbox, "100.00")
    payment = add_card_payment(sandbox, order, "100.00")
    OpenItem.objects.create(
        conference=order.conference,
        order=order,
        payment=payment,
        kind=OpenItem.Kind.OVERPAID,
        subject=f"payment:{payment.pk}",
    )
    order.refresh_from_db()
    return order


@pytest.mark.trap(22)
def test_the_surplus_alone_does_not_make_it_refunded(overpaid: Order) -> None:
    planned = plan_refund(overpaid, amount=Decimal("100.00"), destination=CARD)

    RefundService.create_refund(overpaid, amount=Decimal("100.00"), destination=CARD)

    assert planned.status_after == overpaid.status == Order.Status.PARTIALLY_REFUNDED
    assert overpaid.refundable_amount == Decimal("100.00")
    assert not overpaid.open_items.unresolved().exists()
    assert_books_agree()

    RefundService.create_refund(overpaid, amount=Decimal("100.00"), destination=CARD)
    assert overpaid.status == Order.Status.REFUNDED
    assert_books_agree()


@pytest.mark.trap(22)
def test_the_full_total_makes_it_refunded_whatever_surplus_is_left(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "100.00")
    late = add_card_payment(sandbox, order, "30.00")
    OpenItem.objects.create(
        conference=order.conference, order=order, payment=late, kind=OpenItem.Kind.OVERPAID, subject="surplus"
    )
    order.refresh_from_db()

    RefundService.create_refund(order, amount=Decimal("100.00"), destination=CARD)

    assert order.status == Order.Status.REFUNDED
    assert order.refundable_amount == Decimal("30.00")
    assert_books_agree()


@pytest.mark.trap(30)
def test_a_refunded_order_stays_so_when_more_arrives(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "100.00")
    RefundService.create_refund(order, amount=Decimal("100.00"), destination=CARD)

    late = add_card_payment(sandbox, order, "30.00")
    assert isinstance(late, Payment)
    order.refresh_from_db()

    assert order.settled_status == Order.Status.REFUNDED
    RefundService.create_refund(order, amount=Decimal("30.00"), destination=CARD, after_end=True)
    assert order.status == Order.Status.REFUNDED
