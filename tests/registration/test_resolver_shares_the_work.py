"""The resolver asks about each part once at a time, one conference after the other, and less and less often."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone

from registration import stripe_gateway
from registration.models import Conference, Order, Refund, RefundPart
from registration.models.refund import State
from registration.services import resolve, sending
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from registration.services.resolve import pause_after, resolve_open, resolve_refund
from tests.registration.books import assert_books_agree, make_conference
from tests.registration.desk import card_order, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(stripe_gateway, "READ_SECONDS", 2)
    monkeypatch.setattr(sending, "BUSY_PAUSES", (0.0, 0.0))
    stripe_gateway._client.cache_clear()


@pytest.fixture
def posts(sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys under which refunds were sent, one for each request that reached Stripe."""
    seen: list[str] = []
    real = stripe_gateway.StripeGateway.send_refund

    def counted(self: stripe_gateway.StripeGateway, part: RefundPart) -> object:
        seen.append(str(part.uuid))
        return real(self, part)

    monkeypatch.setattr(stripe_gateway.StripeGateway, "send_refund", counted)
    return seen


def leave_open(
    sandbox: "SandboxServer", conference: Conference, *, age: timedelta = timedelta(minutes=2)
) -> RefundPart:
    """A refund that was decided two minutes ago and never sent."""
    order = card_order(sandbox, conference=conference)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        with pytest.raises(RefundError):
            RefundService.create_refund(order, amount=Decimal("25.00"), destination=Refund.Destination.CARD)
    part = RefundPart.objects.get(refund__order=order)
    RefundPart.objects.filter(pk=part.pk).update(created_at=timezone.now() - timedelta(minutes=2))
    return part


@pytest.mark.trap(36)
def test_one_conference_with_a_broken_key_holds_up_nobody(sandbox: "SandboxServer", posts: list[str]) -> None:
    broken, sound = make_conference("broken"), make_conference("sound")
    old = [leave_open(sandbox, broken) for _number in range(6)]
    new = [leave_open(sandbox, sound) for _number in range(2)]
    RefundPart.objects.filter(refund__order__conference=broken).update(sent_at=timezone.now())
    broken.stripe_secret_key = "sk_test_of_nobody"
    broken.save()

    outcome = resolve_open(4)

    assert outcome == {State.UNCONFIRMED: 2, State.SUCCEEDED: 2}
    assert [RefundPart.objects.get(pk=part.pk).state for part in new] == [State.SUCCEEDED] * 2
    assert {str(part.uuid) for part in new} < set(posts)
    assert RefundPart.objects.filter(pk__in=[part.pk for part in old], checks=1).count() == 2


@pytest.mark.trap(36)
def test_a_conference_that_does_not_answer_is_left_alone_for_the_rest_of_the_round(
    sandbox: "SandboxServer", posts: list[str]
) -> None:
    conference = make_conference()
    for _number in range(5):
        leave_open(sandbox, conference)

    with fault(sandbox, "rate_limit", count=99, method="POST"):
        assert resolve_open() == {State.REQUESTED: resolve.UNANSWERED_IN_A_ROW}

    assert resolve_open() == {State.SUCCEEDED: 2}, "those that were tried are put off, the others are not"
    assert resolve_open() == {}
    assert resolve_open(skip_pauses=True) == {State.SUCCEEDED: 3}


def test_every_check_waits_longer_than_the_one_before_up_to_an_hour() -> None:
    pauses = [pause_after(checks) for checks in range(1, 40)]

    for number, pause in enumerate(pauses):
        expected = min(timedelta(seconds=15 * 2 ** min(number, 12)), timedelta(hours=1))
        assert expected * 0.8 <= pause <= expected * 1.2


@pytest.mark.trap(4)
def test_what_is_still_open_is_put_off_and_says_why(sandbox: "SandboxServer") -> None:
    part = leave_open(sandbox, make_conference())

    with fault(sandbox, "reset", count=9):
        resolve_open()

    part.refresh_from_db()
    assert (part.state, part.checks, part.leased_until) == (State.UNCONFIRMED, 1, None)
    assert str(part.last_problem) == "Stripe did not answer."
    assert part.next_check_at is not None
    assert timedelta(seconds=5) < part.next_check_at - timezone.now() <= timedelta(seconds=18)
    resolve_refund(part.refund)
    part.refresh_from_db()
    assert (part.state, part.checks, part.next_check_at) == (State.SUCCEEDED, 2, None)


@pytest.mark.trap(3)
def test_a_lease_keeps_others_away_until_it_runs_out(sandbox: "SandboxServer", posts: list[str]) -> None:
    part = leave_open(sandbox, make_conference())
    RefundPart.objects.update(leased_until=timezone.now() + resolve.LEASE)

    assert resolve_open(at_once=True) == {}
    resolve_refund(part.refund)
    assert posts == []

    RefundPart.objects.update(leased_until=timezone.now())
    assert resolve_open() == {State.SUCCEEDED: 1}
    assert posts == [str(part.uuid)]


def test_a_limit_is_kept_and_nothing_settled_is_asked_about(sandbox: "SandboxServer", posts: list[str]) -> None:
    conference = make_conference()
    for _number in range(3):
        leave_open(sandbox, conference)

    assert resolve_open(2) == {State.SUCCEEDED: 2}
    assert resolve_open(0) == {}
    assert resolve_open(2) == {State.SUCCEEDED: 1}
    assert resolve_open() == {}
    assert len(posts) == len(set(posts)) == 3


def test_a_part_that_breaks_the_code_holds_up_no_other(
    sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    conference = make_conference()
    odd, even = leave_open(sandbox, conference), leave_open(sandbox, conference)
    real = resolve.send_part

    def send(part: RefundPart) -> RefundPart:
        if part.pk == odd.pk:
            raise ZeroDivisionError
        return real(part)

    monkeypatch.setattr(resolve, "send_part", send)

    assert resolve_open() == {State.REQUESTED: 1, State.SUCCEEDED: 1}
    even.refresh_from_db()
    assert even.state == State.SUCCEEDED


@pytest.mark.django_db(transaction=True)
@pytest.mark.trap(3, 36)
def test_many_workers_at_once_call_stripe_once_for_each_part(sandbox: "SandboxServer", posts: list[str]) -> None:
    conference = make_conference()
    parts = [leave_open(sandbox, conference) for _number in range(6)]
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        resolve_open()
        connection.close()

    threads = [threading.Thread(target=work) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(posts) == sorted(str(part.uuid) for part in parts)
    assert set(RefundPart.objects.values_list("state", "checks")) == {(State.SUCCEEDED, 1)}
    for part in parts:
        assert len(refunds_at_stripe(sandbox, Order.objects.get(refunds__parts=part))) == 1
    assert_books_agree()
