from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from registration.models import Conference, OpenItem, Order, RefundPart
from tests.registration.books import (
    assert_books_agree,
    control,
    make_card_order,
    make_conference,
    make_refund,
    refund_at_stripe,
    seed,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 by card, known at Stripe."""
    seed(sandbox)
    return make_card_order(make_conference())


@pytest.mark.trap(14)
def test_a_refund_that_no_event_told_of_is_found(
    sandbox: "SandboxServer", order: Order, capsys: pytest.CaptureFixture[str]
) -> None:
    refund_at_stripe(sandbox, 4000)

    call_command("reconcile_stripe")
    call_command("reconcile_stripe")

    order.refresh_from_db()
    assert order.refunded_amount == Decimal("40.00")
    assert OpenItem.objects.get().kind == OpenItem.Kind.EXTERNAL
    assert capsys.readouterr().out.splitlines() == ["pycon: 1 corrected", "pycon: 1 agreed"]
    assert_books_agree()


@pytest.mark.trap(11)
def test_a_failure_that_no_event_told_of_is_found(sandbox: "SandboxServer", order: Order) -> None:
    made = refund_at_stripe(sandbox, 10_000)
    call_command("reconcile_stripe", conference="pycon")
    control(sandbox, f"refunds/{made['id']}/fail")

    call_command("reconcile_stripe", conference="pycon")

    order.refresh_from_db()
    assert (order.status, order.refundable_amount) == (Order.Status.PAID, Decimal("100.00"))


def test_an_old_pending_refund_is_looked_at_again(sandbox: "SandboxServer", order: Order) -> None:
    part = make_refund(order, "40.00", "pending")
    made = refund_at_stripe(sandbox, 4000, part=part.uuid)
    now = timezone.now()
    RefundPart.objects.update(stripe_refund_id=made["id"], created_at=now - timedelta(days=60))

    call_command("reconcile_stripe", days=-1)

    part.refresh_from_db()
    assert part.state == "succeeded"


def test_an_unknown_payment_is_an_item(sandbox: "SandboxServer", capsys: pytest.CaptureFixture[str]) -> None:
    make_conference()
    seed(sandbox)
    refund_at_stripe(sandbox, 4000)

    call_command("reconcile_stripe")

    assert capsys.readouterr().out == "pycon: 1 unmatched\n"
    assert OpenItem.objects.get().kind == OpenItem.Kind.UNMATCHED


def test_a_stripe_that_does_not_answer_is_said(order: Order, capsys: pytest.CaptureFixture[str]) -> None:
    Conference.objects.update(stripe_secret_key="sk_wrong")
    with pytest.raises(CommandError):
        call_command("reconcile_stripe")

    assert "did not accept the conference's key" in capsys.readouterr().err
