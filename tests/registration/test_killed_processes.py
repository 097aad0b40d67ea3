"""Real processes killed between any two statements: the next one finishes it, once, or nothing ever happened."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registration import stripe_gateway
from registration.models import Credit, OpenItem, Order, Refund, RefundPart, StripeEvent
from registration.models.refund import State
from registration.services.events import process_due
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.services.twice import take_credit_back
from tests.registration.books import assert_books_agree, make_conference, make_order, make_user, store, stripe_post
from tests.registration.desk import add_card_payment, card_order, refunds_at_stripe
from tools.torture.forks import Fork, end_all

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
NAMED = "decide.lock decide.write send_part send claim stripe record after_move credit_notes settle_refund result"
ENDS = [f"{name}.{side}:1" for name in NAMED.split() for side in ("before", "after")]
SECONDS = 30


@pytest.fixture(autouse=True)
def fresh_clients() -> None:
    stripe_gateway._client.cache_clear()


def killed(work: Callable[[], object], kill_at: str) -> bool:
    """Run it in a process of its own that ends where it is told; whether it got that far."""
    process = Fork(work, kill_at)
    end_all(process, seconds=SECONDS)
    return process.was_killed


def statements_of(work: Callable[[], object]) -> int:
    """How many statements it sends to the database."""
    with CaptureQueriesContext(connection) as seen:
        work()
    return len(seen)


def refunding(order: Order) -> Callable[[], object]:
    """Both payments, in part as credit."""

    def work() -> object:
        return RefundService.create_refund(
            Order(pk=order.pk),
            amount=Decimal("90.00"),
            destination=Refund.Destination.SPLIT,
            credit_amount=Decimal("10.00"),
        )

    return work


def two_cards(sandbox: "SandboxServer") -> Order:
    """60.00 and 40.00."""
    order = card_order(sandbox, "60.00")
    Order.objects.filter(pk=order.pk).update(total=Decimal("100.00"))
    add_card_payment(sandbox, order, "40.00")
    return order


def leases_run_out() -> None:
    RefundPart.objects.update(leased_until=None, next_check_at=None)
    StripeEvent.objects.filter(state="STORED").update(next_attempt_at=timezone.now())


def assert_all_or_nothing(sandbox: "SandboxServer", order: Order) -> None:
    leases_run_out()
    resolve_open(at_once=True)
    moved = sorted(refund["amount"] for refund in refunds_at_stripe(sandbox, order))
    if not order.refunds.exists():
        assert moved == []
    else:
        assert set(RefundPart.objects.filter(refund__order=order).values_list("state", flat=True)) == {State.SUCCEEDED}
        assert sum(moved) == 8_000
        assert len(moved) == order.refunds.get().parts.filter(channel="STRIPE").count()
        assert Credit.objects.get(refund__order=order, status="AVAILABLE").amount == Decimal("10.00")


@pytest.mark.trap(2, 3)
def test_a_refund_survives_the_end_of_its_process_at_every_boundary(sandbox: "SandboxServer") -> None:
    reached = set()
    for end in ENDS:
        order = two_cards(sandbox)
        if killed(refunding(order), end):
            reached.add(end)
        assert_all_or_nothing(sandbox, order)

    assert reached == set(ENDS)
    assert_books_agree()


@pytest.mark.trap(2, 3)
def test_a_refund_survives_the_end_of_its_process_between_any_two_statements(sandbox: "SandboxServer") -> None:
    count = statements_of(refunding(two_cards(sandbox)))
    assert count > 40

    for number in range(1, count + 1):
        order = two_cards(sandbox)
        killed(refunding(order), f"statement:{number}")
        assert_all_or_nothing(sandbox, order)

    assert_books_agree()


@pytest.mark.trap(3)
def test_the_resolver_itself_may_be_killed_again_and_again(sandbox: "SandboxServer") -> None:
    for end in (
        "lease.before:1",
        "lease.after:1",
        "stripe.before:1",
        "stripe.after:1",
        "record.after:1",
        "commit.after:3",
    ):
        order = two_cards(sandbox)
        assert killed(refunding(order), "send_part.before:1")

        killed(lambda: resolve_open(at_once=True), end)
        RefundPart.objects.filter(refund__order=order).update(created_at=timezone.now() - timedelta(minutes=5))
        assert_all_or_nothing(sandbox, order)

    assert_books_agree()


@pytest.mark.trap(25)
def test_spending_a_credit_survives_between_any_two_statements() -> None:
    conference = make_conference()

    def fresh() -> tuple[Credit, Order]:
        credit = Credit.objects.create(user=make_user(), conference=conference, amount=Decimal("30.00"))
        return credit, make_order(conference, "20.00")

    def spending(credit: Credit, order: Order) -> Callable[[], object]:
        return lambda: RefundService.apply_credit_as_refund(Credit(pk=credit.pk), Order(pk=order.pk))

    for number in range(1, statements_of(spending(*fresh())) + 1):
        credit, order = fresh()
        killed(spending(credit, order), f"statement:{number}")

        credit.refresh_from_db()
        order.refresh_from_db()
        spent = order.status == Order.Status.PAID
        assert (credit.remaining_amount, order.payments.count()) == (
            (Decimal("10.00"), 1) if spent else (Decimal("30.00"), 0)
        )
    assert_books_agree()


@pytest.mark.trap(14, 18)
def test_an_event_survives_the_end_of_its_worker_between_any_two_statements(sandbox: "SandboxServer") -> None:
    def arrived() -> Order:
        order = card_order(sandbox)
        intent = order.payments.get().stripe_payment_intent_id
        made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=2500")
        store(order.conference, "refund.created", {"id": made["id"]}, event_id=f"evt_{made['id']}")
        return order

    arrived()
    for number in range(1, statements_of(process_due) + 1):
        order = arrived()
        killed(process_due, f"statement:{number}")
        leases_run_out()
        process_due()

        assert [str(each.amount) for each in order.refunds.all()] == ["25.00"]
        assert OpenItem.objects.filter(order=order, kind="EXTERNAL").count() == 1
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {"PROCESSED"}
    assert_books_agree()


@pytest.mark.trap(14)
def test_taking_credit_back_survives_between_any_two_statements(sandbox: "SandboxServer") -> None:
    grace = make_user("grace")

    def twice() -> OpenItem:
        order = card_order(sandbox)
        RefundService.create_refund(order, amount=Decimal("100.00"), destination=Refund.Destination.CREDIT)
        intent = order.payments.get().stripe_payment_intent_id
        made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=4000")
        store(order.conference, "refund.created", {"id": made["id"]}, event_id=f"evt_{made['id']}")
        process_due()
        return OpenItem.objects.unresolved().get(subject=made["id"])

    def taking(item: OpenItem) -> Callable[[], object]:
        return lambda: take_credit_back(OpenItem.objects.get(pk=item.pk), staff_user=grace)

    for number in range(1, statements_of(taking(twice())) + 1):
        item = twice()
        killed(taking(item), f"statement:{number}")
        item.refresh_from_db()
        if item.resolved_at is None:
            taking(item)()

        assert item.order is not None
        credit = item.order.issued_credits.get()
        assert credit.remaining_amount == Decimal("60.00")
    assert_books_agree()
