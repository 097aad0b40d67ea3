"""Above the limit one person proposes and another decides; everything is checked again before it is sent."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError

from registration.models import Credit, OpenItem, Order, Payment, Refund
from registration.roles import ensure_roles
from registration.sentences import sentence
from registration.services.approval import approve_refund, reject_refund, withdraw_refund
from registration.services.errors import RefundError
from registration.services.lines import line_item_balances
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open
from tests.registration.books import assert_books_agree, make_order
from tests.registration.desk import fault, refunds_at_stripe
from tests.registration.proposals import CARD, assert_waits, colleague, item_of, propose

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Refund.State


def test_a_proposal_reserves_the_sum_and_sends_nothing(order: Order, sam: Any, sandbox: "SandboxServer") -> None:
    refund = propose(order, sam)

    assert_waits(refund, order)
    assert (order.refundable_amount, order.status) == (Decimal("20.00"), Order.Status.PAID)
    assert refunds_at_stripe(sandbox, order) == []
    assert not order.issued_credits.exists()
    said = sentence(order.history.get(kind="refund_proposed"))
    assert said == "sam proposed to refund $80.00 of $100.00 (original card); a second person decides"


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

    assert refund.parts.get().state == State.AWAITING_TRANSFER
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
