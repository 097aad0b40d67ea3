"""Orders paid for real at the sandbox, and faults ordered for the next requests."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection

from registration.models import Conference, Order, Payment
from registration.services.errors import RefundError
from tests.registration.books import make_conference, make_user, stripe_get, stripe_post

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer


def pay_at_stripe(
    sandbox: "SandboxServer", amount_minor: int, currency: str = "usd", card: str = "pm_card_visa"
) -> str:
    """Pay with a test card; returns the payment intent's id."""
    form = f"amount={amount_minor}&currency={currency}&payment_method={card}&confirm=true"
    return str(stripe_post(sandbox, "payment_intents", form)["id"])


def add_card_payment(sandbox: "SandboxServer", order: Order, amount: str, card: str = "pm_card_visa") -> Payment:
    """Add a card payment that exists at the sandbox."""
    intent = pay_at_stripe(sandbox, int(Decimal(amount) * 100), order.currency.lower(), card)
    return Payment.objects.create(
        order=order, amount=Decimal(amount), status=Payment.Status.SUCCEEDED, stripe_payment_intent_id=intent
    )


def card_order(
    sandbox: "SandboxServer",
    total: str = "100.00",
    conference: Conference | None = None,
    card: str = "pm_card_visa",
    user: str = "ada",
) -> Order:
    """A PAID order whose one card payment exists at the sandbox."""
    order = Order.objects.create(
        conference=conference or Conference.objects.first() or make_conference(),
        user=make_user(user),
        status=Order.Status.PAID,
        total=Decimal(total),
        subtotal=Decimal(total),
    )
    add_card_payment(sandbox, order, total, card)
    order.refresh_from_db()
    return order


def refunds_at_stripe(sandbox: "SandboxServer", order: Order) -> list[dict[str, Any]]:
    """What Stripe's own books say about an order, newest first."""
    intents = order.payments.exclude(stripe_payment_intent_id="").values_list("stripe_payment_intent_id", flat=True)
    return [r for i in intents for r in stripe_get(sandbox, f"refunds?limit=100&payment_intent={i}")["data"]]


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for what another thread or process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.02)


def at_once(*actions: Callable[[], object]) -> list[str]:
    """Do each in a thread of its own at the same moment; returns what those who were refused read."""
    start, losers = threading.Barrier(len(actions)), []

    def run(action: Callable[[], object]) -> None:
        start.wait()
        try:
            action()
        except RefundError as error:
            losers.append(error.sentence)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return losers


@contextmanager
def fault(
    sandbox: "SandboxServer", name: str, count: int = 1, path: str = "/v1/refunds", **more: Any
) -> Iterator[None]:
    """Let the next matching requests go wrong."""
    sandbox.faults.add({"fault": name, "count": count, "path": path, **more})
    try:
        yield
    finally:
        sandbox.faults.clear()
