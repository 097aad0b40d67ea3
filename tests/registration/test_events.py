from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from registration.models import Conference, HistoryEntry, OpenItem, Order, StripeEvent
from registration.services import events
from registration.services.errors import RefundError
from registration.services.open_items import open_item, resolve_item
from tests.registration.books import (
    assert_books_agree,
    control,
    make_card_order,
    make_conference,
    make_refund,
    make_user,
    refund_at_stripe,
    seed,
    store,
    store_all,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


# The queue


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A handler that fails, and the count of its calls."""
    calls: list[int] = []

    def fail(conference: Conference, hint: dict[str, Any]) -> None:
        calls.append(1)
        raise RuntimeError("A defect.")

    monkeypatch.setitem(events.HANDLERS, "refund.created", fail)
    return calls


@pytest.mark.trap(18)
def test_a_failed_event_is_tried_again_later_and_later(conference: Conference, broken: list[int]) -> None:
    event = store(conference, "refund.created", {"id": "re_1"})

    assert events.process_due() == {"STORED": 1}
    assert events.process_due() == {}

    event.refresh_from_db()
    assert (event.attempts, event.last_error) == (1, "RuntimeError: A defect.")
    assert timedelta(seconds=5) < event.next_attempt_at - timezone.now() < timedelta(seconds=13)
    pauses = [events.pause_after(attempt) for attempt in (1, 3, 5, 8, 20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= timedelta(minutes=72)


@pytest.mark.trap(18)
def test_after_eight_attempts_it_is_failed_and_can_be_replayed(
    conference: Conference, broken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    event = store(conference, "refund.created", {"id": "re_1"})
    for _attempt in range(10):
        StripeEvent.objects.update(next_attempt_at=timezone.now())
        events.process_due()
    event.refresh_from_db()
    assert (event.state, event.attempts, len(broken)) == ("FAILED", 8, 8)

    monkeypatch.setitem(events.HANDLERS, "refund.created", lambda conference, hint: None)
    assert events.replay(event) == "PROCESSED"
    event.refresh_from_db()
    assert (event.state, event.last_error) == ("PROCESSED", "")


def test_an_event_that_somebody_has_is_left_alone_until_the_lease_ends(
    conference: Conference, broken: list[int]
) -> None:
    event = store(conference, "refund.created", {"id": "re_1"})
    assert events.claim(event)

    assert events.process(event) is None
    StripeEvent.objects.update(next_attempt_at=timezone.now())
    assert events.process(event) == "STORED"


def test_unknown_types_are_ignored(conference: Conference) -> None:
    event = store(conference, "sandbox.type_that_nobody_knows", {})

    assert events.process(event) == "IGNORED"
    assert events.process(event) is None


def test_the_limit_takes_the_oldest(conference: Conference) -> None:
    for number in range(3):
        store(conference, "customer.updated", {}, f"evt_{number}")

    assert events.process_due(limit=2) == {"IGNORED": 2}
    assert StripeEvent.objects.get(state="STORED").event_id == "evt_2"


def test_the_command_says_what_it_did(conference: Conference, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("process_events")
    store(conference, "customer.updated", {})
    call_command("process_events", limit=10)

    assert capsys.readouterr().out.splitlines() == ["No events are due.", "1 ignored"]


@pytest.mark.trap(18)
def test_stripe_out_of_reach_puts_it_off(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    order = make_card_order(conference)
    event = store(conference, "refund.created", refund_at_stripe(sandbox))
    control(sandbox, "faults", fault="unavailable_html", count=2, method="GET", path="/v1/refunds")

    assert events.process(event) == "STORED"
    StripeEvent.objects.update(next_attempt_at=timezone.now())
    assert events.process_due() == {"PROCESSED": 1}

    order.refresh_from_db()
    assert order.refunded_amount == Decimal("40.00")


# Refunds


@pytest.mark.trap(16)
@pytest.mark.trap(17)
@pytest.mark.parametrize("backwards", [False, True])
def test_events_in_any_order_and_twice_end_where_stripe_is(
    backwards: bool, conference: Conference, sandbox: "SandboxServer"
) -> None:
    seed(sandbox, payment_method="pm_card_pendingRefund")
    order = make_card_order(conference)
    part = make_refund(order, "40.00", "requested")
    refund_at_stripe(sandbox, part=part.uuid)
    control(sandbox, "tick", all=True)
    stored = store_all(conference, sandbox, backwards=backwards)
    assert {"refund.created", "refund.updated", "charge.refunded"} <= {event.type for event in stored}

    events.process_due()
    for event in stored:
        events.replay(event)

    part.refresh_from_db()
    order.refresh_from_db()
    assert (part.state, order.status) == ("succeeded", Order.Status.PARTIALLY_REFUNDED)
    assert not OpenItem.objects.unresolved().exists()
    assert HistoryEntry.objects.filter(kind="refund_part_succeeded").count() == 1
    assert_books_agree()


@pytest.mark.trap(11)
@pytest.mark.trap(16)
def test_an_old_success_does_not_undo_a_failure(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    order = make_card_order(conference)
    part = make_refund(order, "100.00", "requested")
    made = refund_at_stripe(sandbox, 10_000, part=part.uuid)
    early = store(conference, "refund.created", made)
    events.process(early)
    order.refresh_from_db()
    assert order.status == Order.Status.REFUNDED

    control(sandbox, f"refunds/{made['id']}/fail")
    events.process(store(conference, "refund.failed", made, "evt_2"))
    events.replay(early)

    part.refresh_from_db()
    order.refresh_from_db()
    assert (part.state, part.failure_reason) == ("failed", "expired_or_canceled_card")
    assert (order.status, order.refundable_amount) == (Order.Status.PAID, Decimal("100.00"))
    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.FAILED
    assert_books_agree()


# Open items


def test_the_same_thing_opens_one_item(conference: Conference) -> None:
    first = open_item(OpenItem.Kind.FAILED, "refund:7", conference=conference)

    assert open_item(OpenItem.Kind.FAILED, "refund:7", conference=conference) == first
    assert open_item(OpenItem.Kind.SLOW, "refund:7", conference=conference) != first


def test_an_item_is_settled_once_by_name_and_with_words(conference: Conference) -> None:
    item, grace = open_item(OpenItem.Kind.FAILED, "refund:7", conference=conference), make_user("grace")
    with pytest.raises(RefundError, match="Say what was done"):
        resolve_item(item, staff_user=grace, resolution="  ")

    settled = resolve_item(item, staff_user=grace, resolution="Sent by bank transfer.")

    assert (settled.resolved_by, settled.resolution) == (grace, "Sent by bank transfer.")
    with pytest.raises(RefundError, match="settled already"):
        resolve_item(item, staff_user=grace, resolution="Again.")
