"""Work on orders, payments and credits that hang together waits its turn and never runs into a deadlock."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from registration.models import Credit, Order, Refund
from registration.services.credit import CreditService
from registration.services.credit_payment import release_order
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from tests.registration.books import assert_books_agree, make_order, make_user
from tests.registration.desk import card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


def all_at_once(*jobs: list[Callable[[], object]]) -> list[Exception]:
    """Run each list of jobs in a thread of its own; returns what went wrong, apart from refusals."""
    errors: list[Exception] = []

    def run(job: list[Callable[[], object]]) -> None:
        for step in job:
            try:
                step()
            except RefundError:
                pass
            except Exception as error:
                errors.append(error)
        connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return errors


@pytest.mark.trap(9, 25)
def test_a_credit_is_spent_returned_and_adjusted_while_its_order_is_refunded(sandbox: "SandboxServer") -> None:
    origin, grace = card_order(sandbox, "100.00"), make_user("grace")
    credit = Credit.objects.create(
        user=origin.user, conference=origin.conference, amount=Decimal("50.00"), source_order=origin
    )
    targets = [make_order(origin.conference, "2.00") for _number in range(12)]

    def spend(target: Order) -> Callable[[], object]:
        return lambda: RefundService.apply_credit_as_refund(Credit(pk=credit.pk), Order(pk=target.pk))

    def release(target: Order) -> Callable[[], object]:
        return lambda: release_order(target)

    def adjust(amount: str) -> Callable[[], object]:
        return lambda: CreditService.adjust(credit, amount=Decimal(amount), reason="Correction", staff_user=grace)

    def refund() -> object:
        card = Refund.Destination.CARD
        return RefundService.create_refund(Order(pk=origin.pk), amount=Decimal("1.00"), destination=card)

    errors = all_at_once(
        [spend(target) for target in targets[::2]],
        [spend(target) for target in targets[1::2]],
        [release(target) for target in targets],
        [adjust("1.00")] * 6,
        [adjust("-1.00")] * 6,
        [refund] * 5,
    )

    assert errors == []
    assert_books_agree()
