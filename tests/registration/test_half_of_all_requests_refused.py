"""A Stripe that answers 429 to half of all requests: everything completes, and nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from registration import stripe_gateway
from registration.models import OpenItem, Order, Refund, RefundPart, StripeEvent
from registration.models.refund import State
from registration.services import events, sending
from registration.services.errors import RefundUnconfirmed
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from tests.registration.books import assert_books_agree, store_all
from tests.registration.desk import card_order, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS, ROUNDS = 24, 40


@pytest.mark.trap(36)
def test_everything_completes_once(sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BUSY_PAUSES", (0.0, 0.01))
    stripe_gateway._client.cache_clear()
    orders = [card_order(sandbox) for _number in range(ORDERS)]

    with fault(sandbox, "rate_limit", count=1_000_000, path="/v1/", share=0.5):
        with ThreadPoolExecutor(8) as staff:
            met = list(staff.map(_refund_twice, (order.pk for order in orders)))
        for _round in range(ROUNDS):
            resolve_open(at_once=True)
        sandbox.faults.clear()
        store_all(orders[0].conference, sandbox)
        sandbox.faults.add({"fault": "rate_limit", "count": 1_000_000, "path": "/v1/", "share": 0.5})
        for _round in range(events.MOST_ATTEMPTS - 1):
            StripeEvent.objects.filter(state="STORED").update(next_attempt_at="2020-01-01T00:00Z", attempts=0)
            events.process_due()

    assert "unconfirmed" in met, "with half of everything refused, some refunds are not sent at once"
    assert set(RefundPart.objects.values_list("state", flat=True)) == {State.SUCCEEDED}
    for order in orders:
        assert sorted(r["amount"] for r in refunds_at_stripe(sandbox, order)) == [1000, 2000]
    assert set(StripeEvent.objects.values_list("state", flat=True)) <= {"PROCESSED", "IGNORED"}
    assert not OpenItem.objects.unresolved().exists()
    assert Refund.objects.filter(source=Refund.Source.EXTERNAL).count() == 0
    assert_books_agree()


def _refund_twice(key: int) -> str:
    """Two refunds of one order; whether one of them had to be left to the resolver."""
    outcome = "done"
    for amount in ("10.00", "20.00"):
        try:
            RefundService.create_refund(Order(pk=key), amount=Decimal(amount), destination=Refund.Destination.CARD)
        except RefundUnconfirmed:
            outcome = "unconfirmed"
    connection.close()
    return outcome
