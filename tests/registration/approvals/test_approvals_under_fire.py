"""A proposal whose world changes before it is decided, that several decide at once, or whose process is killed."""

import random
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError

from registration.models import Order, Refund, RefundPart
from registration.services import approval
from registration.services.approval import approve_refund, reject_refund
from registration.services.errors import RefundError, StaleBalance
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, stripe_post
from tests.registration.desk import at_once, refunds_at_stripe
from tests.registration.proposals import CARD, assert_waits, colleague, item_of, propose
from tools.torture.forks import Fork, end_all

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Refund.State


def test_two_approvers_at_once_send_once(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = propose(order, sam)
    people = [colleague(f"finance-{number}", "Finance") for number in range(6)]

    losers = at_once(*(partial(approve_refund, Refund(pk=refund.pk), staff_user=person) for person in people))

    assert len(losers) == len(people) - 1
    assert all("has decided about" in loser for loser in losers)
    assert len(refunds_at_stripe(sandbox, order)) == 1
    assert order.history.filter(kind="refund_approved").count() == 1
    assert_books_agree()


@pytest.mark.trap(50)
def test_a_dispute_between_proposal_and_approval_refuses_it(
    order: Order, sam: Any, grace: Any, sandbox: "SandboxServer"
) -> None:
    refund = propose(order, sam)
    order.payments.update(dispute={"status": "needs_response", "is_charge_refundable": False})

    with pytest.raises(RefundError, match="Not refundable: disputed"):
        approve_refund(refund, staff_user=grace)
    assert_waits(refund, order)
    assert refunds_at_stripe(sandbox, order) == []


@pytest.mark.trap(50)
def test_another_mode_between_proposal_and_approval_refuses_it(order: Order, sam: Any, grace: Any) -> None:
    refund = propose(order, sam)
    order.payments.update(livemode=True)

    with pytest.raises(RefundError, match="another Stripe mode"):
        approve_refund(refund, staff_user=grace)
    assert_waits(refund, order)


@pytest.mark.trap(50)
def test_money_refunded_at_stripe_meanwhile_refuses_it_and_a_rejection_makes_room(
    order: Order, sam: Any, grace: Any, sandbox: "SandboxServer"
) -> None:
    refund = propose(order, sam)
    intent = order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=9000")
    snapshot = gateway_for(order.conference).fetch_refund(made["id"])
    with pytest.raises(IntegrityError):
        apply_refund(order.conference, snapshot)

    with pytest.raises(RefundError, match="was refunded at Stripe meanwhile"):
        approve_refund(refund, staff_user=grace)
    assert_waits(refund, order)

    reject_refund(refund, staff_user=grace, reason="Refunded at Stripe.")
    apply_refund(order.conference, snapshot)
    order.refresh_from_db()
    assert (order.refunded_amount, order.refundable_amount) == (Decimal("90.00"), Decimal("10.00"))
    assert_books_agree()


@pytest.mark.trap(50)
def test_money_gone_at_stripe_that_nobody_told_us_of_moves_nothing_twice(
    order: Order, sam: Any, grace: Any, sandbox: "SandboxServer"
) -> None:
    refund = propose(order, sam)
    intent = order.payments.get().stripe_payment_intent_id
    stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=9000")

    refund = approve_refund(refund, staff_user=grace)

    assert refund.state == State.FAILED
    assert [each["amount"] for each in refunds_at_stripe(sandbox, order)] == [9000]


@pytest.mark.trap(50)
def test_an_approver_who_saw_another_balance_is_told(order: Order, sam: Any, grace: Any) -> None:
    refund = propose(order, sam)
    RefundService.create_refund(order, amount=Decimal("5.00"), destination=CARD)

    with pytest.raises(StaleBalance):
        approve_refund(refund, staff_user=grace, balance_seen=Decimal("20.00"))

    refund.refresh_from_db()
    assert refund.state == State.AWAITING_APPROVAL
    assert approve_refund(refund, staff_user=grace, balance_seen=Decimal("15.00")).state == State.SUCCEEDED


CRASHES = ["check_again", "_decide", "begin", "send_refund"]


@pytest.mark.parametrize("place", CRASHES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_while_approving_loses_and_doubles_nothing(
    order: Order, sam: Any, grace: Any, sandbox: "SandboxServer", place: str, after: bool
) -> None:
    refund = propose(order, sam)
    real = getattr(approval, place)

    def die(*args: Any, **options: Any) -> Any:
        if after:
            real(*args, **options)
        raise SystemExit

    with patch.object(approval, place, die), pytest.raises(SystemExit):
        approve_refund(refund, staff_user=grace)
    if place == "send_refund":
        resolve_open(at_once=True)
    else:
        assert_waits(refund, order)
        approve_refund(refund, staff_user=grace)

    refund.refresh_from_db()
    assert refund.state == State.SUCCEEDED
    assert len(refunds_at_stripe(sandbox, order)) == 1
    assert RefundPart.objects.count() == 1
    assert_books_agree()


SECONDS = 30
ENDS = [
    "approve.decide.after:1",
    "approve.begin.after:1",
    "approve.send.before:1",
    "send.before:1",
    "stripe.before:1",
    "stripe.after:1",
    "record.before:1",
    "commit.before:1",
    "commit.after:1",
    "statement:4",
    "statement:9",
]


@pytest.mark.trap(2, 3, 50)
@pytest.mark.parametrize("seed", range(8))
def test_processes_decide_at_once_are_killed_and_it_is_decided_once(
    order: Order, sam: Any, grace: Any, sandbox: "SandboxServer", seed: int
) -> None:
    dice = random.Random(seed)
    refund, george = propose(order, sam), colleague("george", "Finance")
    works = [
        lambda: approve_refund(Refund(pk=refund.pk), staff_user=grace),
        lambda: approve_refund(Refund(pk=refund.pk), staff_user=george),
        lambda: reject_refund(Refund(pk=refund.pk), staff_user=george, reason="No."),
    ]
    dice.shuffle(works)

    forks = [Fork(work, dice.choice(["", *ENDS])) for work in works]
    end_all(*forks, seconds=SECONDS)
    resolve_open(at_once=True)

    refund.refresh_from_db()
    decisions = order.history.filter(kind__in=("refund_approved", "refund_rejected")).count()
    sent = len(refunds_at_stripe(sandbox, order))
    assert (refund.state, decisions, sent) in [
        (State.SUCCEEDED, 1, 1),
        (State.REJECTED, 1, 0),
        (State.AWAITING_APPROVAL, 0, 0),
    ]
    assert (item_of(refund).resolved_at is None) == (refund.state == State.AWAITING_APPROVAL)
    assert_books_agree()
