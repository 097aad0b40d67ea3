"""Above the limit one person proposes and another decides; everything is checked again before it is sent."""

import random
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError

from registration.models import Credit, OpenItem, Order, Payment, Refund, RefundPart
from registration.roles import ensure_roles
from registration.sentences import sentence
from registration.services import approval
from registration.services.approval import approve_refund, reject_refund, withdraw_refund
from registration.services.errors import RefundError, RefundProposed, StaleBalance
from registration.services.external import apply_refund
from registration.services.lines import line_item_balances
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, make_order, make_user, stripe_post
from tests.registration.desk import at_once, card_order, fault, refunds_at_stripe
from tools.torture.forks import Fork, end_all

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Refund.State
CARD = Refund.Destination.CARD


def colleague(name: str, role: str) -> Any:
    user = make_user(name)
    user.groups.add(ensure_roles()[role])
    return user


@pytest.fixture
def sam(db: None) -> Any:
    """Support, up to 50.00 at once."""
    return colleague("sam", "Support")


@pytest.fixture
def grace(db: None) -> Any:
    """Finance."""
    return colleague("grace", "Finance")


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 paid by card, at a conference where support may refund 50.00 at once."""
    order = card_order(sandbox, "100.00")
    order.conference.support_refund_limit = Decimal("50.00")
    order.conference.save()
    return order


def propose(order: Order, sam: Any, amount: str = "80.00", **options: Any) -> Refund:
    with pytest.raises(RefundProposed) as proposed:
        RefundService.create_refund(
            order, amount=Decimal(amount), staff_user=sam, propose=True, **({"destination": CARD} | options)
        )
    return proposed.value.refund


def item_of(refund: Refund) -> OpenItem:
    return OpenItem.objects.get(kind=OpenItem.Kind.APPROVAL, subject=f"refund:{refund.pk}")


def assert_waits(refund: Refund, order: Order) -> None:
    refund.refresh_from_db()
    order.refresh_from_db()
    assert refund.state == State.AWAITING_APPROVAL
    assert {part.state for part in refund.parts.all()} == {State.AWAITING_APPROVAL}
    assert order.reserved_amount == refund.amount
    assert item_of(refund).resolved_at is None
    assert_books_agree()


def test_a_proposal_reserves_the_sum_and_sends_nothing(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = propose(order, sam)

    assert_waits(refund, order)
    assert (order.refundable_amount, order.status) == (Decimal("20.00"), Order.Status.PAID)
    assert refunds_at_stripe(sandbox, order) == []
    assert not order.issued_credits.exists()
    said = sentence(order.history.get(kind="refund_proposed"))
    assert said == "sam proposed to refund $80.00 (original card); a second person decides"


def test_the_resolver_leaves_a_proposal_alone(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = propose(order, sam)

    resolve_open(at_once=True)

    assert_waits(refund, order)
    assert refunds_at_stripe(sandbox, order) == []


def test_without_saying_so_a_refund_above_the_limit_is_refused(order: Order, sam: Any) -> None:
    with pytest.raises(RefundError, match="at once"):
        RefundService.create_refund(order, amount=Decimal("80.00"), destination=CARD, staff_user=sam)
    assert not order.refunds.exists()


def test_within_the_limit_nothing_is_proposed(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    RefundService.create_refund(order, amount=Decimal("50.00"), destination=CARD, staff_user=sam, propose=True)

    assert order.refunds.get().state == State.SUCCEEDED
    assert len(refunds_at_stripe(sandbox, order)) == 1


def test_approved_by_a_second_person_it_is_sent(order: Order, sam: Any, grace: Any, sandbox: "SandboxServer") -> None:
    refund = approve_refund(propose(order, sam), staff_user=grace)

    order.refresh_from_db()
    assert (refund.state, refund.decided_by, order.refunded_amount) == (State.SUCCEEDED, grace, Decimal("80.00"))
    assert [each["amount"] for each in refunds_at_stripe(sandbox, order)] == [8000]
    assert order.issued_credits.get().issued_by == sam
    assert (str(item_of(refund).resolution), item_of(refund).resolved_by) == ("Approved.", grace)
    assert sentence(order.history.get(kind="refund_approved")) == "grace approved $80.00, proposed by sam"
    assert_books_agree()


def test_a_rejection_releases_the_sum(order: Order, sam: Any, grace: Any, sandbox: "SandboxServer") -> None:
    refund = reject_refund(propose(order, sam), staff_user=grace, reason="The ticket was used.")

    order.refresh_from_db()
    assert (refund.state, refund.refusal) == (State.REJECTED, "The ticket was used.")
    assert (order.refundable_amount, order.status) == (Decimal("100.00"), Order.Status.PAID)
    assert (str(item_of(refund).resolution), item_of(refund).resolved_by) == ("Rejected: The ticket was used.", grace)
    said = sentence(order.history.get(kind="refund_rejected"))
    assert said == "grace rejected $80.00, proposed by sam: The ticket was used."
    assert refunds_at_stripe(sandbox, order) == []
    assert_books_agree()


def test_a_rejection_needs_its_reason(order: Order, sam: Any, grace: Any) -> None:
    refund = propose(order, sam)

    with pytest.raises(RefundError, match="Say why"):
        reject_refund(refund, staff_user=grace, reason="  ")
    assert_waits(refund, order)


def test_nobody_decides_about_their_own_proposal(order: Order, sam: Any) -> None:
    refund = propose(order, sam)
    sam.groups.add(ensure_roles()["Finance"])
    with_permission = type(sam).objects.get(pk=sam.pk)
    assert with_permission.has_perm("registration.approve_refund")

    with pytest.raises(RefundError, match="A second person must decide"):
        approve_refund(refund, staff_user=with_permission)
    with pytest.raises(RefundError, match="A second person must decide"):
        reject_refund(refund, staff_user=with_permission, reason="No.")
    assert_waits(refund, order)


def test_the_database_refuses_ones_own_approval_too(order: Order, sam: Any) -> None:
    refund = propose(order, sam)

    with pytest.raises(IntegrityError, match="refund_never_approved_by_its_proposer"):
        Refund.objects.filter(pk=refund.pk).update(decided_by=sam)


@pytest.mark.parametrize("role", ["Support", "Viewer", "Administrator"])
def test_only_finance_decides(order: Order, sam: Any, role: str) -> None:
    refund = propose(order, sam)

    with pytest.raises(RefundError, match="Your role cannot approve"):
        approve_refund(refund, staff_user=colleague("walker", role))
    assert_waits(refund, order)


@pytest.mark.trap(24)
def test_paying_out_twice_is_approved_only_by_those_who_may_do_it(order: Order, sam: Any) -> None:
    from django.contrib.auth.models import Permission

    lead = colleague("lead", "Support")
    lead.user_permissions.add(*Permission.objects.filter(codename__in=["approve_refund", "refund_without_limit"]))
    refund = propose(order, sam, destination=Refund.Destination.CARD_AND_CREDIT)

    with pytest.raises(RefundError, match="cannot pay out twice"):
        approve_refund(refund, staff_user=lead)
    assert_waits(refund, order)


def test_an_approver_has_limits_too(order: Order, sam: Any) -> None:
    from django.contrib.auth.models import Permission

    lead = colleague("lead", "Support")
    lead.user_permissions.add(Permission.objects.get(codename="approve_refund"))
    refund = propose(order, sam)

    with pytest.raises(RefundError, match=r"up to \$50\.00 at once"):
        approve_refund(refund, staff_user=lead)
    assert_waits(refund, order)


def test_ones_own_proposal_can_be_withdrawn(order: Order, sam: Any, grace: Any) -> None:
    refund = propose(order, sam)
    with pytest.raises(RefundError, match="Only whoever proposed"):
        withdraw_refund(refund, staff_user=grace)

    refund = withdraw_refund(refund, staff_user=sam)

    order.refresh_from_db()
    assert (refund.state, refund.decided_by, order.refundable_amount) == (State.REJECTED, None, Decimal("100.00"))
    assert (str(item_of(refund).resolution), item_of(refund).resolved_by) == ("Withdrawn.", sam)
    assert_books_agree()


def test_what_was_decided_is_not_decided_again(order: Order, sam: Any, grace: Any) -> None:
    refund = reject_refund(propose(order, sam), staff_user=grace, reason="Used.")

    for decide in (
        lambda: approve_refund(refund, staff_user=colleague("george", "Finance")),
        lambda: reject_refund(refund, staff_user=grace, reason="Used."),
    ):
        with pytest.raises(RefundError, match="grace has decided about RF-.* already"):
            decide()
    assert order.history.filter(kind="refund_rejected").count() == 1


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


def test_store_credit_is_issued_at_approval(order: Order, sam: Any, grace: Any) -> None:
    refund = propose(order, sam, destination=Refund.Destination.CREDIT)
    assert not Credit.objects.exists()

    refund = approve_refund(refund, staff_user=grace)

    assert refund.state == State.SUCCEEDED
    assert order.issued_credits.get().remaining_amount == Decimal("80.00")
    assert_books_agree()


def test_a_split_goes_both_ways_at_approval(order: Order, sam: Any, grace: Any, sandbox: "SandboxServer") -> None:
    refund = propose(order, sam, destination=Refund.Destination.SPLIT, credit_amount=Decimal("30.00"))

    approve_refund(refund, staff_user=grace)

    assert [each["amount"] for each in refunds_at_stripe(sandbox, order)] == [5000]
    assert sum(credit.remaining_amount for credit in order.issued_credits.all()) == Decimal("30.00")
    assert_books_agree()


def test_a_transfer_by_hand_waits_for_approval_first(order: Order, sam: Any, grace: Any) -> None:
    paid = make_order(order.conference, "80.00", Order.Status.PAID)
    Payment.objects.create(
        order=paid, method=Payment.Method.MANUAL, status=Payment.Status.SUCCEEDED, amount=Decimal("80.00")
    )
    refund = propose(paid, sam)
    assert not OpenItem.objects.filter(kind=OpenItem.Kind.MANUAL_TRANSFER).exists()

    refund = approve_refund(refund, staff_user=grace)

    assert refund.parts.get().state == State.PENDING
    assert OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.MANUAL_TRANSFER).exists()
    assert_books_agree()


def test_a_proposal_takes_its_lines_and_a_rejection_gives_them_back(order: Order, sam: Any, grace: Any) -> None:
    line = order.line_items.create(description="Dinner", unit_price=Decimal("80.00"), line_total=Decimal("80.00"))
    refund = propose(order, sam, line_amounts={line.pk: Decimal("80.00")})
    assert line_item_balances(order) == {line.pk: Decimal("0.00")}

    reject_refund(refund, staff_user=grace, reason="No.")

    assert line_item_balances(order) == {line.pk: Decimal("80.00")}


def test_a_failure_stays_open_until_its_retry_is_approved(
    order: Order, sam: Any, grace: Any, sandbox: "SandboxServer"
) -> None:
    with fault(sandbox, "server_error_saved"), pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("80.00"), destination=CARD)
    failed = order.refunds.get()
    failures = OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.FAILED)
    assert failures.exists()

    first = propose(order, sam, retry_of=failed)
    reject_refund(first, staff_user=grace, reason="Ask for another card.")
    assert failures.exists()

    approve_refund(propose(order, sam, retry_of=failed), staff_user=grace)
    assert not failures.exists()


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
