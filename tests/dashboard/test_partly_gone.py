"""A refund of which some came to nothing says how much went back, wherever it is told."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import HistoryEntry, Order, Payment, Refund, RefundPart
from registration.refund_ends import how_much_goes, shown_as
from registration.refund_words import steps
from registration.sentences import sentence
from registration.services.manual import call_off_transfer, confirm_manual
from registration.services.resolve import resolve_refund
from tests.cast import control, pay
from tests.dashboard.open_items import refunded
from tests.dashboard.reading import text_of

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
TOLD = "€140.00 of €240.00 went back"


@pytest.fixture
def order(sandbox: "SandboxServer", new_order: Any) -> Order:
    """140.00 by card and 100.00 by bank transfer."""
    order: Order = new_order(paid="140.00", total="240.00", sandbox=sandbox)
    pay(order, "100.00", method=Payment.Method.MANUAL)
    return order


@pytest.fixture
def refund(order: Order) -> Refund:
    """All of it; the card's part has arrived and the transfer is still to be made."""
    return refunded(order, "240.00")


def call_off(refund: Refund, grace: Any) -> Refund:
    call_off_transfer(refund.parts.get(channel=RefundPart.Channel.MANUAL), staff_user=grace)
    return Refund.objects.get(pk=refund.pk)


def fail_the_card(sandbox: "SandboxServer", refund: Refund, grace: Any) -> Refund:
    confirm_manual(refund.parts.get(channel=RefundPart.Channel.MANUAL), reference="SEPA 1", staff_user=grace)
    card = refund.parts.get(channel=RefundPart.Channel.STRIPE)
    control(sandbox, f"refunds/{card.stripe_refund_id}/fail", failure_reason="declined")
    return resolve_refund(refund)


def decision(refund: Refund) -> str:
    return sentence(HistoryEntry.objects.get(refund=refund, kind="refund_requested"))


def test_until_then_it_says_nothing_of_the_kind(refund: Refund) -> None:
    assert how_much_goes(refund) == ""
    assert shown_as(refund) == Refund.State.AWAITING_TRANSFER


@pytest.mark.trap(11)
def test_after_its_transfer_was_called_off_every_page_says_what_went_back(
    grace_client: Client, grace: Any, refund: Refund
) -> None:
    refund = call_off(refund, grace)

    pages = [
        grace_client.get(reverse("refund_detail", args=[refund.pk])),
        grace_client.get(reverse("refund_list")),
        grace_client.get(reverse("order_detail", args=[refund.order.reference])),
    ]

    for page in map(text_of, pages):
        assert TOLD in page
        assert "Partly succeeded" in page
    assert decision(refund).endswith(f"decided to refund €240.00 of €240.00 (card and by hand); {TOLD}")
    assert [step.label for step in steps(refund)][-1] == "Partly succeeded"
    order = Order.objects.get(pk=refund.order_id)
    assert (order.refunded_amount, order.refundable_amount) == (Decimal(140), Decimal(100))


def test_a_card_that_failed_beside_a_transfer_is_told_in_the_same_words(
    grace_client: Client, sandbox: "SandboxServer", grace: Any, refund: Refund
) -> None:
    refund = fail_the_card(sandbox, refund, grace)

    page = text_of(grace_client.get(reverse("refund_detail", args=[refund.pk])))

    assert "€100.00 of €240.00 went back" in page
    assert "€100.00 of €240.00 went back" in decision(refund)
    assert "Partly succeeded" in page


def test_what_has_not_arrived_yet_goes_back(order: Order, grace: Any) -> None:
    refund = refunded(order, "240.00")
    refund.parts.filter(channel=RefundPart.Channel.STRIPE).update(state=Refund.State.PENDING)
    part = refund.parts.get(channel=RefundPart.Channel.MANUAL)

    call_off_transfer(part, staff_user=grace)

    refund.refresh_from_db()
    assert how_much_goes(refund) == "€140.00 of €240.00 goes back"
    assert shown_as(refund) == Refund.State.PENDING


def test_the_history_reads_the_refunds_that_the_page_has(
    grace_client: Client, grace: Any, refund: Refund, django_assert_max_num_queries: Any
) -> None:
    call_off(refund, grace)
    url = reverse("order_detail", args=[refund.order.reference])
    grace_client.get(url)

    with django_assert_max_num_queries(7):
        grace_client.get(url)
