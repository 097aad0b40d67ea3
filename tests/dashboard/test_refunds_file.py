"""The file of refunds: what became of the amount of each, which adds up to the movements of the books."""

import csv
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Credit, Order, Refund, RefundPart
from registration.models.refund import State
from registration.services.twice import take_credit_back
from tests.cast import make_order, pay
from tests.dashboard.test_refund_list import NOON, refund_of, rows_of
from tests.registration.books import assert_books_agree
from tests.registration.test_went_back_twice import refund_past_the_desk, spend, the_item

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)

FATES = ("arrived", "on_its_way", "reserved", "came_back", "not_sent", "carried_over")


def in_file(row: dict[str, str]) -> tuple[Decimal, ...]:
    return tuple(Decimal(row[name]) for name in FATES)


def test_the_file_says_what_became_of_each_part_and_adds_up_to_the_books(
    grace_client: Client, conference: Conference, ada: Any, grace: Any
) -> None:
    order = make_order(conference, ada, paid="60.00")
    pay(order, "40.00", method="MANUAL")
    Order.objects.filter(pk=order.pk).update(total=Decimal("100.00"))
    card, by_hand = order.payments.order_by("pk")
    refund = Refund.objects.create(order=order, amount=Decimal("90.00"), currency="EUR", state=State.SUCCEEDED)
    for payment, channel, amount, state, left in (
        (card, "STRIPE", "10.00", State.SUCCEEDED, NOON),
        (card, "STRIPE", "20.00", State.PENDING, NOON),
        (card, "STRIPE", "5.00", State.REQUESTED, None),
        (by_hand, "STRIPE", "30.00", State.FAILED, NOON),
        (by_hand, "MANUAL", "25.00", State.CANCELED, None),
    ):
        facts = {"channel": channel, "amount": Decimal(amount), "state": state, "accepted_at": left}
        RefundPart.objects.create(refund=refund, payment=payment, settled_at=left, **facts)
    refund_of(make_order(conference, ada, paid="50.00"), "7.00")

    credit, partly = rows_of(grace_client.get(reverse("refund_export")))
    moved = list(csv.DictReader(StringIO(movements_of(grace_client))))

    assert in_file(partly) == tuple(map(Decimal, ("10.00", "20.00", "5.00", "30.00", "25.00", "0")))
    assert in_file(credit) == tuple(map(Decimal, ("7.00", "0", "0", "0", "0", "0")))
    for row in (partly, credit):
        assert sum(in_file(row)) == Decimal(row["amount"])
    left = [in_file(row)[0] + in_file(row)[1] + in_file(row)[3] for row in (partly, credit)]
    assert sum(left) == amounts(moved, "refund") + amounts(moved, "issued")
    assert in_file(partly)[3] == amounts(moved, "came_back")


def movements_of(client: Client) -> str:
    response: Any = client.get(reverse("books_movements"), {"since": "", "until": ""})
    return str(response.getvalue().decode("utf-8-sig"))


def amounts(moved: list[dict[str, str]], *what: str) -> Decimal:
    return sum((Decimal(line["amount"]) for line in moved if line["what"] in what), Decimal(0))


def assert_adds_up(client: Client, left: str, back: str) -> None:
    """What left and what came back of all refunds is the same in the file and in the books."""
    rows = rows_of(client.get(reverse("refund_export")))
    assert [sum(in_file(row)) for row in rows] == [Decimal(row["amount"]) for row in rows]
    arrived, on_its_way, _reserved, came_back, _not_sent, _carried = map(sum, zip(*map(in_file, rows), strict=True))
    moved = list(csv.DictReader(StringIO(movements_of(client))))
    in_books = amounts(moved, "refund") + amounts(moved, "issued"), amounts(moved, "came_back", "recalled")
    assert (arrived + on_its_way + came_back, came_back) == in_books == (Decimal(left), Decimal(back))


@pytest.fixture
def by_card(conference: Conference, ada: Any, sandbox: "SandboxServer") -> Order:
    """100.00."""
    return make_order(conference, ada, paid="100.00", sandbox=sandbox)


@pytest.mark.trap(14, 45)
@pytest.mark.parametrize("spent", ["", "70.00"])
@pytest.mark.parametrize("is_by_hand", [False, True])
def test_credit_that_gave_way_counts_once(
    grace_client: Client, grace: Any, by_card: Order, sandbox: "SandboxServer", spent: str, is_by_hand: bool
) -> None:
    if is_by_hand:
        about: dict[str, Any] = {"user": by_card.user, "conference": by_card.conference, "source_order": by_card}
        Credit.objects.create(amount=Decimal("100.00"), **about)
    else:
        refund_of(by_card, "100.00")
    if spent:
        spend(Credit.objects.get(), spent)

    refund_past_the_desk(sandbox, by_card, 4_000)
    take_credit_back(the_item(), staff_user=grace)

    at_stripe, rest, first = rows_of(grace_client.get(reverse("refund_export")))
    if rest["source"] == "EXTERNAL":
        at_stripe, rest = rest, at_stripe
    assert in_file(first) == tuple(map(Decimal, ("0", "0", "0", "40.00", "0", "60.00")))
    assert in_file(rest) == tuple(map(Decimal, ("60.00", "0", "0", "0", "0", "0")))
    assert (rest["retry_of"], rest["amount"], at_stripe["arrived"]) == (first["refund"], "60.00", "40.00")
    assert_adds_up(grace_client, left="140.00", back="40.00")

    refund_past_the_desk(sandbox, by_card, 6_000)
    take_credit_back(the_item(), staff_user=grace)

    assert_adds_up(grace_client, left="200.00", back="100.00")
    assert_books_agree()
