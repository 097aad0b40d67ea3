from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration.models import Conference, OpenItem, Order, Payment
from registration.sentences import sentence
from registration.services import events
from registration.signals import order_paid
from tests.registration.books import (
    assert_books_agree,
    make_conference,
    make_order,
    seed,
    store,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.fixture
def paid_signals() -> Iterator[list[Order]]:
    """Orders that ``order_paid`` was sent for."""
    heard: list[Order] = []

    def listen(sender: Any, order: Order, **kwargs: Any) -> None:
        heard.append(order)

    order_paid.connect(listen)
    yield heard
    order_paid.disconnect(listen)


def make_waiting_order(conference: Conference, status: str = Order.Status.PENDING) -> Order:
    """100.00, to be paid with the sandbox's intent."""
    order = make_order(conference, status=status)
    Payment.objects.create(order=order, amount=order.total, stripe_payment_intent_id="pi_sim_1")
    return order


def hear(conference: Conference, kind: str = "payment_intent.succeeded", event_id: str = "evt_1") -> str | None:
    return events.process(store(conference, kind, {"id": "pi_sim_1"}, event_id))


def test_a_payment_pays_its_pending_order_once(
    conference: Conference,
    sandbox: "SandboxServer",
    paid_signals: list[Order],
    django_capture_on_commit_callbacks: Any,
) -> None:
    seed(sandbox)
    order = make_waiting_order(conference)

    with django_capture_on_commit_callbacks(execute=True):
        assert hear(conference) == "PROCESSED"
        assert hear(conference, event_id="evt_2") == "PROCESSED"

    order.refresh_from_db()
    payment = order.payments.get()
    assert (order.status, payment.status) == (Order.Status.PAID, Payment.Status.SUCCEEDED)
    assert (payment.stripe_charge_id, payment.instrument, payment.livemode) == ("ch_sim_1", "Visa ending 4242", False)
    assert paid_signals == [order]
    assert [entry.kind for entry in order.history.all()] == ["payment_received", "order_paid"]
    assert_books_agree()


def test_part_of_the_total_leaves_the_order_pending(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox, amount_minor=6000)
    order = make_waiting_order(conference)

    hear(conference)

    order.refresh_from_db()
    assert (order.status, order.due_amount) == (Order.Status.PENDING, Decimal("40.00"))


@pytest.mark.trap(30)
@pytest.mark.parametrize("status", [Order.Status.CANCELLED, Order.Status.REFUNDED])
def test_a_payment_for_an_ended_order_is_paid_late(
    status: str, conference: Conference, sandbox: "SandboxServer", paid_signals: list[Order]
) -> None:
    seed(sandbox)
    order = make_waiting_order(conference, status)
    if status == Order.Status.REFUNDED:
        Payment.objects.create(order=order, amount=order.total, status=Payment.Status.REFUNDED)

    hear(conference)

    order.refresh_from_db()
    assert order.status == status
    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.order, item.facts["amount"]) == ("PAID_LATE", order, "100.00")
    assert [entry.kind for entry in order.history.all()] == ["payment_late"]
    assert paid_signals == []
    assert_books_agree()


@pytest.mark.trap(29)
def test_more_than_the_total_is_overpaid(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    order = make_waiting_order(conference)
    Payment.objects.create(
        order=order, method=Payment.Method.MANUAL, amount=Decimal("100.00"), status=Payment.Status.SUCCEEDED
    )
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PAID)

    hear(conference)
    hear(conference, event_id="evt_2")

    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.facts["amount"]) == ("OVERPAID", "100.00")


def test_a_second_payment_too_many_is_an_item_over_what_it_brought(
    conference: Conference, sandbox: "SandboxServer"
) -> None:
    seed(sandbox)
    order = make_waiting_order(conference)
    for _number in range(2):
        Payment.objects.create(
            order=order, method=Payment.Method.MANUAL, amount=Decimal("100.00"), status=Payment.Status.SUCCEEDED
        )
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PAID)

    hear(conference)

    order.refresh_from_db()
    assert order.paid_amount - order.total == Decimal("200.00")
    assert OpenItem.objects.unresolved().get().facts["amount"] == "100.00"
    assert_books_agree()


@pytest.mark.parametrize(("at_stripe", "status"), [("canceled", "FAILED"), ("processing", "PROCESSING")])
def test_a_payment_that_did_not_arrive_follows_stripe(
    at_stripe: str, status: str, conference: Conference, sandbox: "SandboxServer"
) -> None:
    seed(sandbox, status=at_stripe)
    order = make_waiting_order(conference)

    hear(conference, "payment_intent.canceled")

    assert order.payments.get().status == status
    told = ["$100.00 from Card did not arrive"] if status == "FAILED" else []
    assert [sentence(entry) for entry in order.history.all()] == told
    assert_books_agree()


@pytest.mark.trap(16)
def test_an_old_failure_does_not_undo_a_success(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    order = make_waiting_order(conference)

    hear(conference, "payment_intent.payment_failed")
    hear(conference, "payment_intent.canceled", "evt_2")

    assert order.payments.get().status == Payment.Status.SUCCEEDED


@pytest.mark.trap(42)
@pytest.mark.parametrize("known", [None, True])
def test_the_mode_of_an_imported_payment_is_filled_in_and_never_changed(
    conference: Conference, sandbox: "SandboxServer", known: bool | None
) -> None:
    seed(sandbox)
    order = make_order(conference, status=Order.Status.PAID)
    Payment.objects.create(
        order=order, status="SUCCEEDED", amount=order.total, stripe_payment_intent_id="pi_sim_1", livemode=known
    )

    hear(conference)

    payment = order.payments.get()
    assert (payment.livemode, payment.stripe_charge_id) == (bool(known), "ch_sim_1")


def test_metadata_names_the_order_of_a_payment_without_a_row(conference: Conference, sandbox: "SandboxServer") -> None:
    order = make_order(conference)
    seed(sandbox, metadata={"order": order.reference})

    hear(conference)

    order.refresh_from_db()
    assert order.status == Order.Status.PAID


def test_a_payment_for_nothing_we_know_is_an_item(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)

    hear(conference)

    assert OpenItem.objects.get().kind == OpenItem.Kind.UNMATCHED
