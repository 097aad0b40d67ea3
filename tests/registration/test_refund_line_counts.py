"""A refund keeps how many of a line it took, where the amount is a number of them."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction

from registration.models import Order, OrderLineItem, Refund, RefundLine
from registration.sentences import sentence
from registration.services.errors import RefundProposed
from registration.services.line_counts import amount_of, count_of
from registration.services.lines import LineLeft
from registration.services.refund import RefundService
from tests.registration.books import assert_books_agree, make_user
from tests.registration.desk import card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
CARD = Refund.Destination.CARD


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """Three workshops that cost 100.00 together, and a dinner of 30.00."""
    order = card_order(sandbox, "130.00")
    add_line(order, "Workshop", 3, "100.00")
    add_line(order, "Dinner", 1, "30.00")
    return order


def add_line(order: Order, what: str, quantity: int, total: str) -> OrderLineItem:
    price = (Decimal(total) / quantity).quantize(Decimal("0.01"))
    return OrderLineItem.objects.create(
        order=order, description=what, quantity=quantity, unit_price=price, line_total=Decimal(total)
    )


def refund(order: Order, **amounts: str) -> dict[str, int | None]:
    """Refund so much of each line; how many of each were kept."""
    by_key = {order.line_items.get(description=what).pk: Decimal(amount) for what, amount in amounts.items()}
    total = sum(by_key.values(), Decimal(0))
    RefundService.create_refund(order, amount=total, destination=CARD, line_amounts=by_key)
    lines = order.refunds.latest("pk").lines.values_list("line_item__description", "count")
    return dict(lines)


def test_so_many_of_a_line_are_kept_each_time(order: Order) -> None:
    assert refund(order, Workshop="66.67", Dinner="30.00") == {"Workshop": 2, "Dinner": None}
    assert refund(order, Workshop="33.33") == {"Workshop": 1}
    assert_books_agree()


def test_one_of_two_is_a_number_of_them(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(total=Decimal("150.00"))
    add_line(order, "Badge", 2, "20.00")

    assert refund(order, Badge="10.00") == {"Badge": 1}
    assert refund(order, Badge="10.00") == {"Badge": 1}


@pytest.mark.parametrize("amount", ["10.00", "66.66", "99.99"])
def test_what_is_no_number_of_them_keeps_none(order: Order, amount: str) -> None:
    assert refund(order, Workshop=amount) == {"Workshop": None}


def test_the_last_of_a_line_that_an_amount_touched_is_no_number(order: Order) -> None:
    assert refund(order, Workshop="40.00") == {"Workshop": None}
    assert refund(order, Workshop="60.00") == {"Workshop": None}


def test_a_refund_by_amount_names_no_line(order: Order) -> None:
    RefundService.create_refund(order, amount=Decimal("66.67"), destination=CARD)

    assert not RefundLine.objects.exists()


def test_where_the_order_cost_less_than_its_lines_nothing_is_counted(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(discount_amount=Decimal("30.00"), total=Decimal("100.00"))

    assert refund(order, Workshop="66.67") == {"Workshop": None}


def test_the_history_says_how_many_of_what(order: Order) -> None:
    refund(order, Workshop="66.67", Dinner="30.00")

    told = sentence(order.history.get(kind="refund_requested"))
    assert told.endswith("$33.33 left; for 2 of 3 × Workshop")


def test_a_proposal_says_so_too(order: Order) -> None:
    order.conference.support_refund_limit = Decimal("50.00")
    order.conference.save()
    line = order.line_items.get(description="Workshop")

    with pytest.raises(RefundProposed):
        RefundService.create_refund(
            order,
            amount=Decimal("66.67"),
            destination=CARD,
            line_amounts={line.pk: Decimal("66.67")},
            staff_user=make_user("sam"),
            propose=True,
        )

    told = sentence(order.history.get(kind="refund_proposed"))
    assert told.endswith("a second person decides; for 2 of 3 × Workshop")


def test_the_database_keeps_no_count_of_nothing(order: Order) -> None:
    made = Refund.objects.create(order=order, amount=Decimal("1.00"))
    line = order.line_items.get(description="Workshop")

    with pytest.raises(IntegrityError), transaction.atomic():
        RefundLine.objects.create(refund=made, line_item=line, amount=Decimal("1.00"), count=0)


@pytest.mark.parametrize(("total", "quantity"), [("100.00", 3), ("0.07", 3), ("999.99", 40), ("5.00", 1000)])
def test_a_count_is_found_again_by_its_amount(order: Order, total: str, quantity: int) -> None:
    item = add_line(order, "Sticker", quantity, total)
    line = LineLeft(item, Decimal("0.00"), item.line_total)

    for count in range(1, quantity + 1):
        amount = amount_of(line, count, "USD")
        assert amount_of(line, count_of(line, amount), "USD") == amount


@pytest.mark.parametrize("amount", ["0.01", "33.32", "99.99", "100.01"])
def test_no_count_comes_to_an_amount_between(order: Order, amount: str) -> None:
    item = order.line_items.get(description="Workshop")

    assert count_of(LineLeft(item, Decimal("0.00"), item.line_total), Decimal(amount)) == 0
