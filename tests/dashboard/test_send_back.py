"""Sending back what was paid after its order had ended, from the item that says so."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from registration.models import Conference, OpenItem, Order, Refund
from registration.models.refund import State
from registration.services.approval import approve_refund, reject_refund
from tests.cast import make_order
from tests.dashboard.open_items import LIST, add, settle
from tests.dashboard.reading import text_of
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind
BUTTON = "Send €80.00 back"


@pytest.fixture
def late(conference: Conference, ada: Any, sandbox: "SandboxServer") -> OpenItem:
    """80.00 for an order that was cancelled; support may refund 50.00 alone."""
    conference.support_refund_limit = Decimal("50.00")
    conference.save()
    order = make_order(conference, ada, paid="80.00", status=Order.Status.CANCELLED, sandbox=sandbox)
    payment = order.payments.get()
    return add(conference, Kind.PAID_LATE, f"payment:{payment.pk}", "80.00", order=order, payment=payment)


@pytest.mark.trap(30)
@pytest.mark.parametrize("htmx", [True, False])
def test_what_came_after_the_order_was_cancelled_is_sent_back_from_here(
    grace_client: Client, late: OpenItem, htmx: bool
) -> None:
    page = text_of(grace_client.get(LIST))
    assert "Refund the difference" not in page
    assert BUTTON in page
    assert "Settle with a note" in page

    settle(grace_client, late, "send_back", htmx=htmx, amount="80.00")

    late.refresh_from_db()
    assert str(late.resolution) == "It went back."
    order = Order.objects.get()
    assert (order.status, order.refundable_amount) == (Order.Status.CANCELLED, Decimal("0.00"))


def test_money_that_is_gone_by_now_is_not_sent_back_again(
    grace_client: Client, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, paid="80.00", status=Order.Status.CANCELLED)
    item = add(conference, Kind.PAID_LATE, "payment:1", "80.00", order=order)

    response = settle(grace_client, item, "send_back", htmx=True, amount="80.00")

    assert response.status_code == 422
    assert "Nothing of this is left to send back." in text_of(response)
    item.refresh_from_db()
    assert (item.resolved_at, order.refunds.count()) == (None, 0)


@pytest.mark.trap(8, 30)
@pytest.mark.parametrize("seen", ["80.00", ""])
def test_another_amount_than_the_button_said_is_not_sent(grace_client: Client, late: OpenItem, seen: str) -> None:
    assert late.payment is not None
    refund = Refund.objects.create(order=late.payment.order, amount=Decimal("30.00"), state=State.REQUESTED)
    refund.parts.create(payment=late.payment, amount=Decimal("30.00"), state=State.REQUESTED)

    response = settle(grace_client, late, "send_back", htmx=True, amount=seen)

    page = text_of(response)
    assert response.status_code == 422
    assert ("€50.00 can be sent back now" in page) or (not seen and "Reload it and look again" in page)
    assert "Send €50.00 back" in page
    assert 'name="amount" value="50.00"' in page
    assert Refund.objects.count() == 1


@pytest.mark.trap(30)
@pytest.mark.parametrize("htmx", [True, False])
def test_above_the_limit_it_is_proposed(
    sam_client: Client, grace: Any, late: OpenItem, sandbox: "SandboxServer", htmx: bool
) -> None:
    response = settle(sam_client, late, "send_back", htmx=htmx, amount="80.00")

    refund = Refund.objects.get()
    late.refresh_from_db()
    assert (refund.state, late.resolved_at, late.refund) == (State.AWAITING_APPROVAL, None, refund)
    page = text_of(response if htmx else sam_client.get(LIST))
    assert "€80.00 waits for approval" in page
    assert f"{refund.number} over €80.00 waits for a second person." in page
    assert f'href="/refunds/{refund.pk}/"' in page
    assert BUTTON not in text_of(sam_client.get(LIST))

    approve_refund(refund, staff_user=grace)

    late.refresh_from_db()
    refund.refresh_from_db()
    assert (refund.state, str(late.resolution)) == (State.SUCCEEDED, "It went back.")


@pytest.mark.trap(7, 30)
def test_a_proposal_that_was_rejected_can_be_made_again(sam_client: Client, grace: Any, late: OpenItem) -> None:
    settle(sam_client, late, "send_back", amount="80.00")
    twice = settle(sam_client, late, "send_back", htmx=True, amount="80.00")
    assert twice.status_code == 422
    assert "Nothing of this is left to send back." in text_of(twice)
    first = Refund.objects.get()

    reject_refund(first, staff_user=grace, reason="Ask the attendee first")

    assert BUTTON in text_of(sam_client.get(LIST))
    settle(sam_client, late, "send_back", amount="80.00")
    second = Refund.objects.latest("pk")
    assert (second.state, second.retry_of) == (State.AWAITING_APPROVAL, None)
    assert second != first


@pytest.mark.trap(4)
def test_silence_at_stripe_is_told_though_the_button_is_gone(
    grace_client: Client, late: OpenItem, sandbox: "SandboxServer"
) -> None:
    with fault(sandbox, "close_after_commit", count=99):
        response = settle(grace_client, late, "send_back", htmx=True, amount="80.00")

    page = text_of(response)
    assert response.status_code == 422
    assert "is being verified with Stripe; do not send it again" in page
    assert "over €80.00 is on its way." in page
    assert BUTTON not in page
