"""Undo: what was decided is sent or taken back, never both, whoever is faster and whatever is killed."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from registration.models import Credit, OpenItem, Order, Refund, RefundPart, StripeEvent
from registration.sentences import sentence
from registration.services.errors import RefundError, RefundHeld
from registration.services.events import process, process_due
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open, resolve_refund
from registration.services.undo import release_refund, send_due, undo_refund
from registration.services.watch import watch_waiting
from tests.registration.books import assert_books_agree, make_user, store, stripe_post
from tests.registration.desk import add_card_payment, card_order, fault, refunds_at_stripe
from tools.torture.forks import Fork, end_all

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Refund.State


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 paid by card."""
    return card_order(sandbox, "100.00")


@pytest.fixture
def sam(db: None) -> Any:
    """Who works at the desk."""
    return make_user("sam")


def hold(order: Order, amount: str = "30.00", seconds: int = 60, **options: Any) -> Refund:
    options = {"destination": Refund.Destination.CARD} | options
    with pytest.raises(RefundHeld) as held:
        RefundService.create_refund(order, amount=Decimal(amount), hold_seconds=seconds, **options)
    return held.value.refund


def time_is_over(refund: Refund) -> None:
    Refund.objects.filter(pk=refund.pk).update(hold_until=timezone.now() - timedelta(seconds=30))


def assert_held(refund: Refund, sandbox: "SandboxServer") -> None:
    refund.refresh_from_db()
    refund.order.refresh_from_db()
    assert refund.is_held
    assert refund.order.reserved_amount == refund.amount
    assert refunds_at_stripe(sandbox, refund.order) == []


def assert_taken_back(refund: Refund, sandbox: "SandboxServer") -> None:
    refund.refresh_from_db()
    order = Order.objects.get(pk=refund.order_id)
    assert refund.state == State.CANCELED
    assert {part.state for part in refund.parts.all()} == {State.CANCELED}
    assert (order.refundable_amount, order.reserved_amount) == (Decimal("100.00"), Decimal("0.00"))
    assert order.status == Order.Status.PAID
    assert refunds_at_stripe(sandbox, order) == []
    assert not Credit.objects.exists()
    assert_books_agree()


def assert_sent(refund: Refund, sandbox: "SandboxServer") -> None:
    refund.refresh_from_db()
    assert refund.state == State.SUCCEEDED
    assert len(refunds_at_stripe(sandbox, refund.order)) == refund.parts.filter(channel="STRIPE").count()
    assert_books_agree()


def test_other_callers_do_not_wait(order: Order, sandbox: "SandboxServer") -> None:
    assert RefundService.create_refund(order, amount=Decimal("30.00")).amount == Decimal("30.00")


def test_held_it_is_decided_and_not_sent(order: Order, sandbox: "SandboxServer") -> None:
    refund = hold(order)

    resolve_open(at_once=True)
    resolve_refund(refund)

    assert_held(refund, sandbox)
    assert_books_agree()


@pytest.mark.parametrize("seconds", [1, 60])
def test_it_is_held_as_long_as_was_said(order: Order, seconds: int) -> None:
    before = timezone.now()

    refund = hold(order, seconds=seconds)

    assert refund.hold_until is not None
    assert timedelta(seconds=seconds) <= refund.hold_until - before < timedelta(seconds=seconds + 30)


def test_undone_it_never_goes(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = hold(order)

    undo_refund(refund, staff_user=sam)

    assert_taken_back(refund, sandbox)
    assert sentence(order.history.last()) == "sam took $30.00 back before it was sent"  # type: ignore[arg-type]
    time_is_over(refund)
    release_refund(refund)
    send_due(at_once=True)
    resolve_open(at_once=True)
    assert_taken_back(refund, sandbox)


def test_the_page_sends_it(order: Order, sandbox: "SandboxServer") -> None:
    refund = release_refund(hold(order))
    assert_sent(refund, sandbox)


def test_it_is_sent_once_by_page_and_worker_together(order: Order, sandbox: "SandboxServer") -> None:
    refund = hold(order)
    time_is_over(refund)

    for _again in range(2):
        release_refund(refund)
        send_due(at_once=True)
        resolve_open(at_once=True)

    assert_sent(refund, sandbox)


def test_without_its_page_the_worker_sends_it(order: Order, sandbox: "SandboxServer") -> None:
    refund = hold(order)
    call_command("run_worker", once=True)
    assert_held(refund, sandbox)

    time_is_over(refund)
    call_command("run_worker", once=True)

    assert_sent(refund, sandbox)


def test_the_worker_gives_the_page_a_moment(order: Order, sandbox: "SandboxServer") -> None:
    refund = hold(order)
    Refund.objects.filter(pk=refund.pk).update(hold_until=timezone.now())

    send_due()
    assert_held(refund, sandbox)

    send_due(at_once=True)
    assert_sent(refund, sandbox)


def test_what_was_sent_is_not_undone(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = release_refund(hold(order))

    with pytest.raises(RefundError, match="cannot be undone"):
        undo_refund(refund, staff_user=sam)
    assert_sent(refund, sandbox)


def test_what_stripe_did_not_answer_about_is_not_undone(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = hold(order)
    with fault(sandbox, "rate_limit", count=9):
        release_refund(refund)
    refund.refresh_from_db()
    assert (refund.state, refund.parts.get().attempts) == (State.REQUESTED, 1)

    with pytest.raises(RefundError, match="cannot be undone"):
        undo_refund(refund, staff_user=sam)

    resolve_open(at_once=True)
    assert_sent(refund, sandbox)


def test_a_requested_refund_can_be_cancelled_until_it_is_sent(
    order: Order, sam: Any, sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        with pytest.raises(RefundError):
            RefundService.create_refund(order, amount=Decimal("30.00"))

    Refund.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    watch_waiting()
    unsent = OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.UNSENT)
    assert unsent.exists()

    undo_refund(order.refunds.get(), staff_user=sam)

    assert not unsent.exists()
    assert_taken_back(order.refunds.get(), sandbox)


def test_when_one_of_two_parts_was_sent_neither_is_taken_back(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    add_card_payment(sandbox, order, "50.00")
    Order.objects.update(total=Decimal("150.00"))
    refund = hold(order, "150.00")
    RefundPart.objects.filter(pk=refund.parts.order_by("pk").first().pk).update(sent_at=timezone.now())  # type: ignore[union-attr]

    with pytest.raises(RefundError):
        undo_refund(refund, staff_user=sam)

    assert {part.state for part in refund.parts.all()} == {State.REQUESTED}
    assert_sent(release_refund(refund), sandbox)


def test_store_credit_is_held_and_issued_too(order: Order, sandbox: "SandboxServer") -> None:
    refund = hold(order, destination=Refund.Destination.CREDIT)
    assert not Credit.objects.exists()
    time_is_over(refund)

    send_due()

    assert Credit.objects.get().remaining_amount == Decimal("30.00")
    assert_sent(refund, sandbox)


def test_store_credit_taken_back_was_never_there(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = hold(order, destination=Refund.Destination.CREDIT)
    undo_refund(refund, staff_user=sam)
    send_due(at_once=True)
    assert_taken_back(refund, sandbox)


def test_a_failure_stays_open_when_its_retry_is_taken_back(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    with fault(sandbox, "server_error_saved"), pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("30.00"), destination=Refund.Destination.CARD)
    failures = OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.FAILED)

    refund = hold(order, retry_of=order.refunds.get())
    assert failures.exists()
    undo_refund(refund, staff_user=sam)
    assert failures.exists()

    release_refund(hold(order, retry_of=order.refunds.earliest("pk")))
    assert not failures.exists()


def test_a_failure_is_open_again_when_its_unsent_retry_is_cancelled(
    order: Order, sam: Any, sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    with fault(sandbox, "server_error_saved"), pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("30.00"), destination=Refund.Destination.CARD)
    failures = OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.FAILED)
    failure = failures.get()
    failed = order.refunds.get()
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        with pytest.raises(RefundError):
            RefundService.create_refund(
                order, amount=Decimal("30.00"), destination=Refund.Destination.CARD, retry_of=failed
            )
    assert not failures.exists()

    undo_refund(order.refunds.latest("pk"), staff_user=sam)

    again = failures.get()
    assert (again.subject, again.refund, again.facts) == (failure.subject, failure.refund, failure.facts)


@pytest.mark.trap(24, 50)
@pytest.mark.parametrize("destination", [Refund.Destination.CREDIT, Refund.Destination.SPLIT])
def test_what_went_back_at_stripe_meanwhile_becomes_no_credit(
    order: Order, destination: str, sandbox: "SandboxServer"
) -> None:
    credit_amount = Decimal("50.00") if destination == Refund.Destination.SPLIT else None
    refund = hold(order, "90.00", destination=destination, credit_amount=credit_amount)
    intent = order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=5000")
    process(store(order.conference, "refund.created", {"id": made["id"]}))

    released = release_refund(refund)

    assert (released.state, str(released.refusal)) == (State.FAILED, "The same money was refunded at Stripe meanwhile.")
    assert not Credit.objects.exists()
    StripeEvent.objects.update(next_attempt_at=timezone.now())
    process_due()
    order.refresh_from_db()
    assert (order.refunded_amount, order.refundable_amount) == (Decimal("50.00"), Decimal("50.00"))
    kinds = OpenItem.objects.unresolved().values_list("kind", flat=True)
    assert set(kinds) == {OpenItem.Kind.FAILED, OpenItem.Kind.EXTERNAL}
    assert_books_agree()


@pytest.mark.trap(31, 50)
def test_what_was_disputed_meanwhile_becomes_no_credit(order: Order, sandbox: "SandboxServer") -> None:
    refund = hold(order, destination=Refund.Destination.CREDIT)
    order.payments.update(dispute={"id": "dp_1", "status": "needs_response", "is_charge_refundable": False})

    released = release_refund(refund)

    assert released.state == State.FAILED
    assert str(released.refusal).startswith("Not refundable: disputed")
    assert not Credit.objects.exists()
    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.FAILED
    assert_books_agree()


SECONDS = 30
UNDO_ENDS = ["undo.lock.after:1", "undo.settle.before:1", "commit.before:1", "commit.after:1", "statement:4"]
SEND_ENDS = ["undo.lock.after:1", "undo.begin.after:1", "send.before:1", "stripe.before:1", "stripe.after:1",
             "record.before:1", "commit.before:1", "commit.after:1", "statement:3", "statement:7"]  # fmt: skip


def run_together(*works: tuple[Callable[[], object], str]) -> list[Fork]:
    """Run each in a process of its own, killed where it says; returns them ended."""
    forks = [Fork(work, kill_at) for work, kill_at in works]
    end_all(*forks, seconds=SECONDS)
    return forks


def undoing(refund: Refund, who: int, pause: float) -> Callable[[], object]:
    def work() -> object:
        time.sleep(pause)
        return undo_refund(Refund(pk=refund.pk), staff_user=type(make_user())(pk=who))

    return work


def sending(refund: Refund, pause: float) -> Callable[[], object]:
    def work() -> object:
        time.sleep(pause)
        return release_refund(Refund(pk=refund.pk))

    return work


@pytest.mark.trap(2, 3, 7)
@pytest.mark.parametrize("seed", range(12))
def test_processes_race_are_killed_and_it_is_one_or_the_other(
    order: Order, sam: Any, sandbox: "SandboxServer", seed: int
) -> None:
    dice = random.Random(seed)
    refund = hold(order)

    def somewhere(ends: list[str]) -> str:
        return dice.choice(["", "", *ends])

    run_together(
        (undoing(refund, sam.pk, dice.uniform(0, 0.01)), somewhere(UNDO_ENDS)),
        (sending(refund, dice.uniform(0, 0.01)), somewhere(SEND_ENDS)),
        (sending(refund, dice.uniform(0, 0.01)), somewhere(SEND_ENDS)),
    )
    time_is_over(refund)
    send_due(at_once=True)
    resolve_open(at_once=True)

    refund.refresh_from_db()
    if refund.state == State.CANCELED:
        assert_taken_back(refund, sandbox)
        assert order.history.filter(kind="refund_undone").count() == 1
    else:
        assert_sent(refund, sandbox)
        assert not order.history.filter(kind="refund_undone").exists()


def test_the_race_is_won_by_either_side(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    ends = set()
    for pauses in ((0.0, 2.0), (2.0, 0.0)):  # Long enough for a busy machine.
        refund = hold(order, "10.00")
        run_together((undoing(refund, sam.pk, pauses[0]), ""), (sending(refund, pauses[1]), ""))
        refund.refresh_from_db()
        ends.add(refund.state)
    assert ends == {State.CANCELED, State.SUCCEEDED}
