"""Ask Stripe now: from the row of the list, the refund's page and without a script; and cancel what waits."""

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Order, Refund, RefundPart
from registration.models.refund import State
from registration.services.errors import RefundOutcome
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from tests.cast import HTMX, control
from tests.dashboard.reading import text_of
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def unanswered(card_order: Order, sandbox: "SandboxServer") -> Refund:
    """30.00 that Stripe gave no answer about, asked about once more since."""
    with fault(sandbox, "reset_after_commit", count=9), suppress(RefundOutcome):
        RefundService.create_refund(card_order, amount=Decimal("30.00"), destination=Refund.Destination.CARD)
        sandbox.faults.clear()
    refund = card_order.refunds.get()
    with fault(sandbox, "reset", count=9):
        resolve_refund(refund)
    assert refund.state == State.UNCONFIRMED
    return refund


@pytest.mark.trap(4)
def test_the_row_shows_how_far_it_is_and_asks_now(grace_client: Client, unanswered: Refund) -> None:
    row = text_of(grace_client.get("/orders/"))
    assert "30.00 being verified, 1 of 8 checks done" in row
    url = reverse("refund_check", args=[unanswered.pk])
    assert f'hx-post="{url}"' in row

    response = grace_client.post(url, headers=HTMX | {"HX-Current-URL": "http://testserver/orders/"})

    unanswered.refresh_from_db()
    assert unanswered.state == State.SUCCEEDED
    assert f"order-{unanswered.order.reference}" in text_of(response)
    assert "being verified" not in text_of(response)


def test_who_may_not_refund_is_offered_no_check(linus_client: Client, unanswered: Refund) -> None:
    assert "Check now" not in text_of(linus_client.get("/orders/"))
    assert linus_client.post(reverse("refund_check", args=[unanswered.pk])).status_code == 403


@pytest.mark.trap(4)
def test_the_pages_of_order_and_refund_say_how_far_it_is(grace_client: Client, unanswered: Refund) -> None:
    for url in (
        reverse("order_detail", args=[unanswered.order.reference]),
        reverse("refund_detail", args=[unanswered.pk]),
    ):
        page = text_of(grace_client.get(url))
        assert "1 of 8 checks done, next check at" in page
        assert "Stripe did not answer." in page
        assert "Check now" in page


@pytest.mark.trap(13)
def test_what_waits_for_the_attendee_is_cancelled_from_its_page(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    control(sandbox, "balance", available={"eur": 0})
    RefundService.create_refund(card_order, amount=Decimal("30.00"), destination=Refund.Destination.CARD)
    part = RefundPart.objects.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/require_action")
    resolve_refund(part.refund)
    page = reverse("refund_detail", args=[part.refund_id])
    assert "Cancel it at Stripe" in text_of(grace_client.get(page))

    response = grace_client.post(reverse("part_cancel", args=[part.pk]), follow=True)

    part.refresh_from_db()
    assert part.state == State.CANCELED
    assert "The amount can be refunded again." in text_of(response)
    refused = grace_client.post(reverse("part_cancel", args=[part.pk]), follow=True)
    assert "Only a refund that waits for the attendee can be cancelled." in text_of(refused)
    assert "Cancel it at Stripe" not in text_of(refused)


@pytest.mark.trap(34)
def test_item_order_and_refund_name_the_sum_to_top_up(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    control(sandbox, "balance", available={"eur": 1250})
    RefundService.create_refund(card_order, amount=Decimal("80.00"), destination=Refund.Destination.CARD)
    refund = card_order.refunds.get()
    pages = [
        "/attention/",
        reverse("order_detail", args=[card_order.reference]),
        reverse("refund_detail", args=[refund.pk]),
    ]

    for url in pages:
        assert "It holds €12.50 and €80.00 waits: top up €67.50." in text_of(grace_client.get(url))

    control(sandbox, "balance", available={"eur": 10_000})
    grace_client.post(reverse("refund_check", args=[refund.pk]))
    for url in pages:
        assert "top up" not in text_of(grace_client.get(url))
