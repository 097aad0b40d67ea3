"""Checked again, and named as a repeat, by processes that race and are killed between any two statements."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration import stripe_gateway
from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.services.errors import RefundError, RefundHeld
from registration.services.events import process
from registration.services.refund import RefundService
from registration.services.repeats import settle_as_repeat
from registration.services.resolve import resolve_open, resolve_refund
from registration.services.undo import release_refund, send_due
from tests.registration.books import assert_books_agree, control, make_user, store, stripe_post
from tests.registration.desk import add_card_payment, card_order, refunds_at_stripe
from tests.registration.test_killed_processes import SECONDS, killed, leases_run_out, statements_of
from tools.torture.forks import Fork, end_all

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind
CARD = Refund.Destination.CARD


@pytest.fixture(autouse=True)
def fresh_clients() -> None:
    stripe_gateway._client.cache_clear()


def held_surplus(sandbox: "SandboxServer") -> Refund:
    """30.00 above a total of 100.00, about to go back."""
    order = card_order(sandbox, "100.00")
    about: dict[str, Any] = {"order": order, "payment": add_card_payment(sandbox, order, "30.00")}
    item = OpenItem.objects.create(
        conference=order.conference, kind=Kind.OVERPAID, subject=f"payment:{about['payment'].pk}", **about
    )
    with pytest.raises(RefundHeld) as held:
        RefundService.create_refund(order, amount=Decimal("30.00"), destination=CARD, for_item=item, hold_seconds=60)
    return held.value.refund


def refund_some(order: Order) -> object:
    return RefundService.create_refund(Order(pk=order.pk), amount=Decimal("20.00"), destination=CARD)


def releasing(refund: Refund) -> Callable[[], object]:
    return lambda: release_refund(Refund(pk=refund.pk))


def let_it_end(refund: Refund) -> str:
    """What the worker does once nobody acts any more; the state that it ends in."""
    Refund.objects.filter(pk=refund.pk, hold_until__isnull=False).update(hold_until=timezone.now())
    leases_run_out()
    send_due(at_once=True)
    resolve_open(at_once=True)
    refund.refresh_from_db()
    return refund.state


def moved(sandbox: "SandboxServer", order: Order) -> list[int]:
    return sorted(each["amount"] for each in refunds_at_stripe(sandbox, order) if each["status"] != "failed")


@pytest.mark.trap(3, 50)
def test_a_surplus_that_is_gone_is_never_sent_wherever_its_check_is_killed(sandbox: "SandboxServer") -> None:
    refund = held_surplus(sandbox)
    refund_some(refund.order)
    count = statements_of(releasing(refund))
    assert count > 10

    for number in range(1, count + 1):
        refund = held_surplus(sandbox)
        refund_some(refund.order)
        killed(releasing(refund), f"statement:{number}")

        assert let_it_end(refund) == State.FAILED, number
        assert moved(sandbox, refund.order) == [2_000]
        assert refund.open_items.unresolved().filter(kind=Kind.FAILED).count() == 1
    assert_books_agree()


@pytest.mark.trap(2, 3)
def test_a_surplus_that_is_there_is_sent_once_wherever_its_check_is_killed(sandbox: "SandboxServer") -> None:
    for number in range(1, statements_of(releasing(held_surplus(sandbox))) + 1):
        refund = held_surplus(sandbox)
        killed(releasing(refund), f"statement:{number}")

        assert let_it_end(refund) == State.SUCCEEDED, number
        assert moved(sandbox, refund.order) == [3_000]
    assert_books_agree()


@pytest.mark.trap(8, 50)
def test_another_refund_at_the_same_moment_comes_before_or_after_the_check(sandbox: "SandboxServer") -> None:
    for _time in range(6):
        refund = held_surplus(sandbox)
        order = refund.order
        end_all(Fork(releasing(refund), ""), Fork(partial(refund_some, order), ""), seconds=SECONDS)

        ended = let_it_end(refund)
        assert moved(sandbox, order) == ([2_000, 3_000] if ended == State.SUCCEEDED else [2_000])
        assert ended in (State.SUCCEEDED, State.FAILED)
    assert_books_agree()


def failure_and_repeat(sandbox: "SandboxServer") -> tuple[OpenItem, Refund]:
    """40.00 that came back, and the same again made at Stripe."""
    order = card_order(sandbox, "200.00")
    RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD)
    failed = order.refunds.get()
    control(sandbox, f"refunds/{failed.parts.get().stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(failed)
    made = stripe_post(
        sandbox, "refunds", f"payment_intent={order.payments.get().stripe_payment_intent_id}&amount=4000"
    )
    process(store(order.conference, "refund.created", {"id": made["id"]}, event_id=f"evt_{made['id']}"))
    return order.open_items.get(kind=Kind.FAILED), RefundPart.objects.get(stripe_refund_id=made["id"]).refund


def naming(failure: OpenItem, repeat: Refund, who: int) -> Callable[[], object]:
    user = type(make_user())
    return lambda: settle_as_repeat(OpenItem(pk=failure.pk), Refund(pk=repeat.pk), staff_user=user(pk=who))


@pytest.mark.trap(3, 15)
def test_both_items_are_settled_or_neither_wherever_it_is_killed(sandbox: "SandboxServer") -> None:
    grace = make_user("grace")
    count = statements_of(naming(*failure_and_repeat(sandbox), grace.pk))
    assert count > 10

    for number in range(1, count + 1):
        failure, repeat = failure_and_repeat(sandbox)
        killed(naming(failure, repeat, grace.pk), f"statement:{number}")

        repeat.refresh_from_db()
        waiting = repeat.order.open_items.unresolved().count()
        told = repeat.history.filter(kind="refund_repeated").count()
        assert (waiting, repeat.retry_of, told) in [(2, None, 0), (0, failure.refund, 1)], number
    assert_books_agree()


@pytest.mark.trap(1, 8)
def test_a_failure_is_tried_again_or_named_as_repeated_and_never_both(sandbox: "SandboxServer") -> None:
    grace = make_user("grace")
    for _time in range(6):
        failure, repeat = failure_and_repeat(sandbox)
        order, failed = repeat.order, failure.refund

        def again(order: Order = order, failed: Refund | None = failed) -> object:
            return RefundService.create_refund(
                Order(pk=order.pk), amount=Decimal("40.00"), destination=CARD, retry_of=failed
            )

        end_all(Fork(naming(failure, repeat, grace.pk), ""), Fork(again, ""), seconds=SECONDS)

        repeat.refresh_from_db()
        was_sent = Refund.objects.filter(retry_of=failed, source=Refund.Source.DESK).exists()
        assert was_sent != (repeat.retry_of == failed)
        assert moved(sandbox, order) == ([4_000, 4_000] if was_sent else [4_000])
        with pytest.raises(RefundError, match="tried again as"):
            again()
    assert_books_agree()
