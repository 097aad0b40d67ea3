"""Fifty real processes at once: what moves is what was allowed, to the cent, and every loser reads a sentence."""

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from registration.models import Credit, Order, Payment, RefundPart
from registration.models.refund import State
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from tests.registration.books import assert_books_agree, make_conference, make_order, make_user
from tests.registration.desk import card_order, refunds_at_stripe
from tests.registration.many import all_at_once

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 50


@pytest.mark.trap(8, 9)
def test_fifty_processes_refund_one_order(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "100.00")

    met = all_at_once("refund", MANY, order.pk)

    assert Counter(met) == {"done": 33, "At most $1.00 can be refunded.": 17}
    order.refresh_from_db()
    assert (order.refunded_amount, order.refundable_amount) == (Decimal("99.00"), Decimal("1.00"))
    assert [refund["amount"] for refund in refunds_at_stripe(sandbox, order)] == [300] * 33
    assert_books_agree()


@pytest.mark.trap(7)
def test_fifty_processes_send_one_form(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "100.00")

    met = all_at_once("submit", MANY, order.pk)

    assert Counter(met) == {"done": 1, "This form was already sent. Below is what it did.": MANY - 1}
    assert [refund["amount"] for refund in refunds_at_stripe(sandbox, order)] == [300]
    assert_books_agree()


@pytest.mark.trap(25)
def test_fifty_processes_spend_one_credit(sandbox: "SandboxServer") -> None:
    conference = make_conference()
    credit = Credit.objects.create(user=make_user(), conference=conference, amount=Decimal("35.50"))
    orders = [make_order(conference, "1.00") for _number in range(MANY)]

    met = all_at_once("spend", MANY, credit.pk, *(order.pk for order in orders))

    assert Counter(met) == {"done": 36, f"{credit.number} has nothing left to spend.": 14}
    credit.refresh_from_db()
    assert (credit.remaining_amount, credit.status) == (Decimal("0.00"), Credit.Status.APPLIED)
    assert sum(Payment.objects.values_list("amount", flat=True)) == Decimal("35.50")
    assert Order.objects.filter(status=Order.Status.PAID).count() == 35
    assert_books_agree()


@pytest.mark.trap(3, 36)
def test_twenty_resolvers_send_each_refund_once(sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [card_order(sandbox, "100.00") for _number in range(8)]
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        for order in orders:
            with pytest.raises(RefundError):
                RefundService.create_refund(order, amount=Decimal("30.00"))

    assert all_at_once("resolve", 20) == ["done"] * 20

    for order in orders:
        assert len(refunds_at_stripe(sandbox, order)) == 1
    assert set(RefundPart.objects.values_list("state", "attempts", "checks")) == {(State.SUCCEEDED, 1, 1)}
    assert_books_agree()
