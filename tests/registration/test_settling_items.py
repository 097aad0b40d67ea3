"""What staff can do about an open item beside a refund: pay by hand instead, send back what came late."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration.models import Credit, OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import State
from registration.sentences import sentence
from registration.services.approval import reject_refund
from registration.services.attention import can_be_sent_back, check_now, send_back
from registration.services.errors import DuplicateSubmit, RefundError, RefundHeld, RefundRefused
from registration.services.late_payments import apply_intent
from registration.services.manual import pay_by_hand_instead
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from registration.services.undo import undo_refund
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, control, make_user
from tests.registration.desk import add_card_payment, card_order, fault, pay_at_stripe, refunds_at_stripe
from tests.registration.proposals import colleague

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
Kind = OpenItem.Kind
CARD = Refund.Destination.CARD


@pytest.fixture
def failed(sandbox: "SandboxServer") -> RefundPart:
    """40.00 of 100.00 that the bank sent back."""
    order = card_order(sandbox)
    RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD)
    part = RefundPart.objects.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(part.refund)
    part.refresh_from_db()
    return part


@pytest.mark.trap(11, 37)
def test_what_failed_is_paid_by_hand_instead(sandbox: "SandboxServer", failed: RefundPart) -> None:
    grace = make_user("grace")

    part = pay_by_hand_instead(failed, reference=" SEPA 7 ", staff_user=grace)

    assert (part.channel, part.state, part.trace_reference) == (RefundPart.Channel.MANUAL, State.SUCCEEDED, "SEPA 7")
    assert (part.refund.retry_of, part.refund.requested_by) == (failed.refund, grace)
    order = Order.objects.get()
    assert (order.status, order.refundable_amount) == (Order.Status.PARTIALLY_REFUNDED, Decimal("60.00"))
    assert part.refund.credits.get().status == Credit.Status.PAID_OUT
    assert not OpenItem.objects.unresolved().exists()
    settled = OpenItem.objects.get(kind=Kind.FAILED)
    assert (str(settled.resolution), settled.resolved_by) == (f"Paid by hand as {part.refund.number}", grace)
    assert [r["status"] for r in refunds_at_stripe(sandbox, order)] == ["failed"]
    assert_books_agree()


@pytest.mark.trap(7)
def test_what_failed_is_paid_by_hand_once(failed: RefundPart) -> None:
    order = failed.refund.order
    RefundService.create_refund(order, amount=Decimal("70.00"), destination=CARD)

    with pytest.raises(RefundError, match=r"At most \$30.00 can be refunded"):
        pay_by_hand_instead(failed, reference="SEPA 7", staff_user=make_user("grace"))

    assert not RefundPart.objects.filter(channel=RefundPart.Channel.MANUAL).exists()


def test_what_another_card_holds_does_not_pay_for_this_one(sandbox: "SandboxServer", failed: RefundPart) -> None:
    order = failed.refund.order
    add_card_payment(sandbox, order, "100.00")
    Order.objects.filter(pk=order.pk).update(total=Decimal("200.00"), subtotal=Decimal("200.00"))
    RefundService.create_refund(order, amount=Decimal("70.00"), destination=CARD, payment=failed.payment)

    with pytest.raises(RefundError, match=r"At most \$30.00 can be refunded"):
        pay_by_hand_instead(failed, reference="SEPA 7", staff_user=make_user("grace"))

    assert not RefundPart.objects.filter(channel=RefundPart.Channel.MANUAL).exists()


def test_a_transfer_says_who_paid_what_and_what_is_left(failed: RefundPart) -> None:
    pay_by_hand_instead(failed, reference="SEPA 7", staff_user=make_user("grace"))

    said = [sentence(entry) for entry in Order.objects.get().history.filter(kind="refund_requested")]
    assert said[-1] == "grace refunded $40.00 of $100.00 by hand, $60.00 left"


@pytest.mark.parametrize(("kind", "has_refund"), [(Kind.UNSENT, False), (Kind.FAILED, True)])
def test_only_a_refund_that_waits_can_be_asked_for(failed: RefundPart, kind: str, has_refund: bool) -> None:
    item = OpenItem.objects.create(
        conference=failed.refund.order.conference,
        kind=kind,
        subject="re_asked",
        refund=failed.refund if has_refund else None,
    )

    with pytest.raises(RefundError, match="nothing to ask Stripe"):
        check_now(item)


def test_all_that_was_paid_can_be_paid_by_hand(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    RefundService.create_refund(order, amount=Decimal("100.00"), destination=CARD)
    part = RefundPart.objects.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail")
    resolve_refund(part.refund)

    pay_by_hand_instead(part, reference="SEPA 7", staff_user=make_user("grace"))

    order.refresh_from_db()
    assert (order.status, order.refundable_amount) == (Order.Status.REFUNDED, Decimal("0.00"))
    assert_books_agree()


@pytest.mark.trap(7)
def test_a_transfer_is_recorded_once_however_much_is_left(failed: RefundPart) -> None:
    grace = make_user("grace")
    pay_by_hand_instead(failed, reference="SEPA 7", staff_user=grace)

    with pytest.raises(RefundError, match="settled already"):
        pay_by_hand_instead(failed, reference="SEPA 7", staff_user=grace)

    assert Order.objects.get().refunded_amount == Decimal("40.00")
    assert_books_agree()


def test_what_is_about_to_be_tried_again_is_not_paid_by_hand_as_well(failed: RefundPart) -> None:
    order = failed.refund.order
    with pytest.raises(RefundHeld):
        RefundService.create_refund(
            order, amount=Decimal("40.00"), destination=CARD, retry_of=failed.refund, hold_seconds=10
        )

    with pytest.raises(RefundError, match="tried again as"):
        pay_by_hand_instead(failed, reference="SEPA 7", staff_user=make_user("grace"))

    assert not RefundPart.objects.filter(channel=RefundPart.Channel.MANUAL).exists()


def test_a_transfer_needs_a_reference_and_a_failure(failed: RefundPart) -> None:
    with pytest.raises(RefundError, match="Enter the reference"):
        pay_by_hand_instead(failed, reference="  ", staff_user=make_user("grace"))
    done = pay_by_hand_instead(failed, reference="SEPA 7", staff_user=make_user("grace"))
    with pytest.raises(RefundError, match="did not fail"):
        pay_by_hand_instead(done, reference="SEPA 8", staff_user=make_user("grace"))

    assert Refund.objects.count() == 2


def test_a_transfer_keeps_to_the_limit(failed: RefundPart) -> None:
    conference = failed.refund.order.conference
    conference.support_refund_limit = Decimal("39.99")
    conference.save()

    with pytest.raises(RefundError, match=r"up to \$39.99 at once"):
        pay_by_hand_instead(failed, reference="SEPA 7", staff_user=make_user("sam"))

    assert Refund.objects.count() == 1


@pytest.fixture
def late(sandbox: "SandboxServer") -> OpenItem:
    """50.00 that arrived for an order that had been refunded."""
    order = card_order(sandbox)
    RefundService.create_refund(order, amount=Decimal("100.00"), destination=CARD)
    intent = pay_at_stripe(sandbox, 5_000)
    Payment.objects.create(order=order, amount=Decimal("50.00"), stripe_payment_intent_id=intent)
    apply_intent(order.conference, gateway_for(order.conference).fetch_payment_intent(intent))
    return OpenItem.objects.unresolved().get(kind=Kind.PAID_LATE)


@pytest.mark.trap(30)
def test_what_came_late_is_sent_back(sandbox: "SandboxServer", late: OpenItem) -> None:
    grace: Any = make_user("grace")

    refund = send_back(late, staff_user=grace)

    late.refresh_from_db()
    assert (str(late.resolution), refund.requested_by, refund.amount) == ("It went back.", grace, Decimal("50.00"))
    order = Order.objects.get()
    assert (order.status, order.refundable_amount) == (Order.Status.REFUNDED, Decimal("0.00"))
    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [10_000, 5_000]
    assert_books_agree()


@pytest.mark.trap(5, 30)
def test_what_came_late_can_be_sent_back_after_a_failure(sandbox: "SandboxServer", late: OpenItem) -> None:
    with fault(sandbox, "server_error_saved"), pytest.raises(RefundRefused) as refused:
        send_back(late, staff_user=None)

    again = send_back(OpenItem.objects.get(pk=late.pk), staff_user=None)

    assert (again.state, again.retry_of) == (State.SUCCEEDED, refused.value.refund)
    assert [r["amount"] for r in refunds_at_stripe(sandbox, Order.objects.get())] == [10_000, 5_000]
    assert not OpenItem.objects.unresolved().exists()
    assert_books_agree()


@pytest.fixture
def late_of_two(sandbox: "SandboxServer") -> OpenItem:
    """50.00 from a second card for a cancelled order that still holds 100.00 of the first."""
    order = card_order(sandbox)
    Order.objects.filter(pk=order.pk).update(status=Order.Status.CANCELLED)
    intent = pay_at_stripe(sandbox, 5_000)
    apply_intent(
        order.conference,
        replace(gateway_for(order.conference).fetch_payment_intent(intent), metadata={"order": order.reference}),
    )
    return OpenItem.objects.unresolved().get(kind=Kind.PAID_LATE)


@pytest.mark.trap(21, 30)
def test_what_came_late_goes_back_to_its_own_card(sandbox: "SandboxServer", late_of_two: OpenItem) -> None:
    refund = send_back(late_of_two, staff_user=None)

    assert [(part.payment, part.amount) for part in refund.parts.all()] == [(late_of_two.payment, Decimal("50.00"))]
    late_of_two.refresh_from_db()
    assert str(late_of_two.resolution) == "It went back."
    assert Order.objects.get().refundable_amount == Decimal("100.00")
    assert_books_agree()


@pytest.mark.trap(21, 30)
def test_another_card_does_not_stand_in_for_a_disputed_one(sandbox: "SandboxServer", late_of_two: OpenItem) -> None:
    assert late_of_two.payment is not None
    late_of_two.payment.dispute = {"id": "dp_1", "status": "needs_response"}
    late_of_two.payment.save()

    with pytest.raises(RefundError, match="Not refundable: disputed"):
        send_back(OpenItem.objects.get(pk=late_of_two.pk), staff_user=None)

    assert not Refund.objects.exists()
    assert refunds_at_stripe(sandbox, Order.objects.get()) == []


@pytest.mark.trap(5, 30)
def test_what_is_left_is_sent_back_though_a_failure_before_was_tried_again_whole(
    sandbox: "SandboxServer", late: OpenItem
) -> None:
    order = Order.objects.get()
    late_alone: dict[str, Any] = {"destination": CARD, "after_end": True, "payment": late.payment}
    with pytest.raises(RefundHeld) as held:
        RefundService.create_refund(order, amount=Decimal("30.00"), hold_seconds=60, **late_alone)
    with fault(sandbox, "server_error_saved"), pytest.raises(RefundRefused) as refused:
        send_back(OpenItem.objects.get(pk=late.pk), staff_user=None)
    RefundService.create_refund(order, amount=Decimal("20.00"), retry_of=refused.value.refund, **late_alone)
    undo_refund(held.value.refund, staff_user=make_user("grace"))

    rest = send_back(OpenItem.objects.get(pk=late.pk), staff_user=None, amount_seen=Decimal("30.00"))

    assert (rest.state, rest.amount, rest.retry_of) == (State.SUCCEEDED, Decimal("30.00"), None)
    assert sum(r["amount"] for r in refunds_at_stripe(sandbox, order)) == 15_000
    assert not OpenItem.objects.unresolved().exists()
    assert_books_agree()


@pytest.mark.trap(7, 30)
def test_what_came_late_is_sent_back_once(sandbox: "SandboxServer", late: OpenItem) -> None:
    stale = OpenItem.objects.select_related("order", "payment").get(pk=late.pk)
    assert stale.payment is not None
    send_back(late, staff_user=None)

    with pytest.raises((DuplicateSubmit, RefundError)):
        send_back(stale, staff_user=None)

    assert len(refunds_at_stripe(sandbox, Order.objects.get())) == 2
    fresh = OpenItem.objects.get(pk=late.pk)
    assert not can_be_sent_back(fresh)
    with pytest.raises(RefundError, match="Nothing of this is left"):
        send_back(fresh, staff_user=None)


@pytest.mark.trap(30)
def test_above_the_limit_what_came_late_is_proposed(sandbox: "SandboxServer", late: OpenItem) -> None:
    late.conference.support_refund_limit = Decimal("20.00")
    late.conference.save()
    sam, grace = make_user("sam"), colleague("grace", "Finance")

    proposal = send_back(OpenItem.objects.get(pk=late.pk), staff_user=sam)

    late.refresh_from_db()
    assert (proposal.state, proposal.amount, late.refund) == (State.AWAITING_APPROVAL, Decimal("50.00"), proposal)
    assert late.resolved_at is None
    assert_books_agree()

    reject_refund(proposal, staff_user=grace, reason="Ask first")
    again = send_back(OpenItem.objects.get(pk=late.pk), staff_user=grace)

    assert (again.state, again.retry_of) == (State.SUCCEEDED, None)
    late.refresh_from_db()
    assert str(late.resolution) == "It went back."
    assert_books_agree()


@pytest.mark.trap(8)
def test_what_came_late_is_not_sent_back_by_another_amount_than_was_seen(late: OpenItem) -> None:
    with pytest.raises(RefundError, match=r"\$50.00 can be sent back now"):
        send_back(late, staff_user=None, amount_seen=Decimal("40.00"))

    assert Refund.objects.count() == 1
