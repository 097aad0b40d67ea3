"""Many at once: what moves is what was allowed, to the cent, and the losers read a sentence."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from registration.models import Credit, Order, Refund
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.services.verification.run import Ledger
from tests.registration.books import make_conference, make_order, make_user
from tests.registration.desk import card_order, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 12


def race(action: Callable[[int], object]) -> list[str]:
    """Run an action in many threads at the same moment; returns what the losers read."""
    start, losers = threading.Barrier(AT_ONCE), []

    def run(number: int) -> None:
        start.wait()
        try:
            action(number)
        except RefundError as error:
            losers.append(error.sentence)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return losers


@pytest.mark.trap(8)
def test_refunds_of_one_order_never_exceed_what_was_paid(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "100.00")

    losers = race(
        lambda number: RefundService.create_refund(
            Order(pk=order.pk), amount=Decimal("30.00"), destination=Refund.Destination.CARD
        )
    )

    order.refresh_from_db()
    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [3000, 3000, 3000]
    assert order.refunded_amount == Decimal("90.00")
    assert losers == ["At most $10.00 can be refunded."] * (AT_ONCE - 3)
    assert list(Ledger().findings()) == []


@pytest.mark.trap(7)
def test_one_form_sent_many_times_is_one_refund(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "100.00")

    losers = race(
        lambda number: RefundService.create_refund(
            Order(pk=order.pk), amount=Decimal("5.00"), destination=Refund.Destination.CARD, nonce="one-form"
        )
    )

    assert len(refunds_at_stripe(sandbox, order)) == 1
    assert len(losers) == AT_ONCE - 1


@pytest.mark.trap(25)
def test_one_credit_spent_many_times_is_spent_once(sandbox: "SandboxServer") -> None:
    conference = make_conference()
    credit = Credit.objects.create(user=make_user(), conference=conference, amount=Decimal("35.00"))
    orders = [make_order(conference, "10.00") for _number in range(AT_ONCE)]

    race(lambda number: RefundService.apply_credit_as_refund(Credit(pk=credit.pk), Order(pk=orders[number].pk)))

    credit.refresh_from_db()
    assert (credit.remaining_amount, credit.status) == (Decimal("0.00"), Credit.Status.APPLIED)
    assert sum(order.payments.get().amount for order in orders if order.payments.exists()) == Decimal("35.00")
    assert list(Ledger().findings()) == []


@pytest.mark.trap(3)
def test_many_resolvers_send_once(sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch) -> None:
    order = card_order(sandbox, "100.00")
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        with pytest.raises(RefundError):
            RefundService.create_refund(order, amount=Decimal("30.00"))

    race(lambda number: resolve_open(at_once=True))

    assert len(refunds_at_stripe(sandbox, order)) == 1
    assert order.issued_credits.count() == 1
    assert list(Ledger().findings()) == []
