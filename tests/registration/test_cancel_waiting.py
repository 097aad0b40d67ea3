"""A refund that waits for the attendee says until when, and can be cancelled; no other can."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from registration.models import Credit, Order, Refund, RefundPart
from registration.models.refund import State
from registration.refund_words import holder
from registration.services.cancel import cancel_waiting
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from tests.registration.books import assert_books_agree, control, make_user, stripe_post
from tests.registration.desk import card_order, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def part(sandbox: "SandboxServer") -> RefundPart:
    """40.00 that waits for the attendee."""
    order = card_order(sandbox, card="pm_card_pendingRefund")
    RefundService.create_refund(order, amount=Decimal("40.00"), destination=Refund.Destination.CARD)
    part = RefundPart.objects.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/require_action")
    resolve_refund(part.refund)
    return RefundPart.objects.get()


@pytest.mark.trap(13)
def test_it_says_who_must_act_and_until_when(part: RefundPart) -> None:
    assert part.state == State.REQUIRES_ACTION
    assert part.act_by is not None
    assert part.act_by > timezone.now() + timedelta(days=1)
    assert "the attendee must act on its email. They have until" in holder(part)


@pytest.mark.trap(13)
def test_it_can_be_cancelled_and_the_balance_reopens(sandbox: "SandboxServer", part: RefundPart) -> None:
    grace = make_user("grace")

    done = cancel_waiting(part, staff_user=grace)

    order = Order.objects.get()
    assert (done.state, order.status, order.refundable_amount) == (State.CANCELED, "PAID", Decimal("100.00"))
    assert [each["status"] for each in refunds_at_stripe(sandbox, order)] == ["canceled"]
    assert Credit.objects.get().status == Credit.Status.VOIDED
    last = order.history.last()
    assert last is not None
    assert (last.kind, last.actor) == ("refund_part_canceled", grace)
    assert_books_agree()


@pytest.mark.trap(13)
def test_only_what_waits_for_the_attendee_can_be_cancelled(sandbox: "SandboxServer", part: RefundPart) -> None:
    control(sandbox, f"refunds/{part.stripe_refund_id}/succeed")
    with pytest.raises(RefundError, match=r"It was not cancelled"):
        cancel_waiting(part, staff_user=None)
    part.refresh_from_db()
    assert part.state == State.SUCCEEDED, "what Stripe said instead was recorded"

    with pytest.raises(RefundError, match="Only a refund that waits"):
        cancel_waiting(part, staff_user=None)


@pytest.mark.trap(4, 13)
def test_an_answer_that_was_cut_off_is_looked_up(sandbox: "SandboxServer", part: RefundPart) -> None:
    with fault(sandbox, "reset_after_commit", count=2, path=f"/v1/refunds/{part.stripe_refund_id}/cancel"):
        assert cancel_waiting(part, staff_user=None).state == State.CANCELED


def test_one_that_somebody_cancelled_at_stripe_is_recorded(sandbox: "SandboxServer", part: RefundPart) -> None:
    stripe_post(sandbox, f"refunds/{part.stripe_refund_id}/cancel")

    assert cancel_waiting(part, staff_user=None).state == State.CANCELED
    assert_books_agree()
