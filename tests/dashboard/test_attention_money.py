"""What settles an open item with money, at the sandbox: credit instead, a transfer, sending it back, asking Stripe."""

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from registration.models import Conference, OpenItem, Order, Refund
from registration.services.events import refund_changed
from registration.services.refund import RefundService
from tests.cast import control, make_order, pay
from tests.dashboard.open_items import LIST, add, refunded, settle
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled
from tests.registration.books import make_refund, stripe_post
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind


@pytest.mark.trap(11)
def test_a_failed_refund_is_given_as_credit_instead(
    grace_client: Client, conference: Conference, card_order: Order, sandbox: "SandboxServer"
) -> None:
    refund = refunded(card_order, "30.00")
    part = refund.parts.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", reason="lost_or_stolen_card")
    refund_changed(conference, {"id": part.stripe_refund_id})
    page = text_of(grace_client.get(LIST))
    url = reverse("refund_create", args=[card_order.reference])

    assert f'href="{url}?retry_of={refund.pk}"' in page
    assert f'href="{url}?retry_of={refund.pk}&amp;destination=CREDIT"' in page
    card_order.refresh_from_db()
    form = filled(card_order, amount="30.00", destination="CREDIT", retry_of=str(refund.pk))
    sent = grace_client.post(url, form)

    assert sent.status_code == 302
    assert card_order.refunds.latest("pk").retry_of == refund
    assert "All is well" in text_of(grace_client.get(LIST))


@pytest.mark.trap(4)
@pytest.mark.parametrize("htmx", [True, False])
def test_check_now_settles_what_stripe_did_not_answer(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", htmx: bool
) -> None:
    with fault(sandbox, "close_after_commit", count=9):
        refunded(card_order, "30.00")
    item = OpenItem.objects.unresolved().get()
    assert item.kind == Kind.UNCONFIRMED
    assert "Check now" in text_of(grace_client.get(LIST))

    response = settle(grace_client, item, "check", htmx=htmx)

    assert response.status_code == (200 if htmx else 302)
    item.refresh_from_db()
    assert item.resolved_at is not None
    assert card_order.refunds.get().state == Refund.State.SUCCEEDED


def test_check_now_says_when_stripe_is_still_silent(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    with fault(sandbox, "close_after_commit", count=99, path="/v1/refunds"):
        refunded(card_order, "30.00")
        answer = settle(grace_client, OpenItem.objects.unresolved().get(), "check", htmx=True)

    assert "Stripe has not said yet whether it has it" in text_of(answer)
    assert "Stripe has not settled it" not in text_of(answer)
    assert "The sum stays reserved, and we keep asking." in text_of(answer)
    assert "Check now" in text_of(answer)


@pytest.mark.parametrize(
    ("kind", "state", "said"),
    [
        (Kind.UNSENT, "REQUESTED", "Tried just now. The sum stays reserved, and we keep trying."),
        (Kind.SLOW, "PENDING", "Stripe has it, and its sum counts as refunded."),
        (Kind.SLOW, "REQUIRES_ACTION", "Stripe has it and waits for the attendee."),
    ],
)
def test_check_now_says_where_the_money_is(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", kind: str, state: str, said: str
) -> None:
    part = make_refund(card_order, "30.00", Refund.State[state])
    item = add(card_order.conference, kind, f"part:{part.pk}", order=card_order, refund=part.refund)

    with fault(sandbox, "rate_limit", count=99, path="/v1/refunds"):
        answer = text_of(settle(grace_client, item, "check", htmx=True))

    assert said in answer
    assert ("stays reserved" in answer) == (state == "REQUESTED")


def test_slow_is_settled_once_stripe_has_settled_it(
    grace_client: Client, conference: Conference, card_order: Order
) -> None:
    refund = refunded(card_order, "30.00")
    item = add(conference, Kind.SLOW, f"refund:{refund.pk}", order=card_order, refund=refund)

    settle(grace_client, item, "check", htmx=True)

    item.refresh_from_db()
    assert str(item.resolution) == "Stripe answered: Succeeded."


def test_there_is_nothing_to_ask_about_a_dispute(grace_client: Client, conference: Conference) -> None:
    answer = settle(grace_client, add(conference, Kind.DISPUTED, "dp_1"), "check", htmx=True)

    assert "There is nothing to ask Stripe about this." in text_of(answer)


def test_a_transfer_by_hand_is_recorded_from_here(grace_client: Client, conference: Conference, ada: Any) -> None:
    order = make_order(conference, ada, total="40.00", status=Order.Status.PAID)
    pay(order, "40.00", method="MANUAL")
    refund = Refund.objects.create(order=order, amount=Decimal("40.00"), state=Refund.State.AWAITING_TRANSFER)
    part = refund.parts.create(
        payment=order.payments.get(), channel="MANUAL", amount=Decimal("40.00"), state=Refund.State.AWAITING_TRANSFER
    )
    add(conference, Kind.MANUAL_TRANSFER, f"part:{part.pk}", "40.00", order=order, refund=refund)
    url = reverse("manual_confirm", args=[part.pk])

    assert f'href="{url}"' in text_of(grace_client.get(LIST))
    grace_client.post(url, {"reference": "SEPA 1"})

    assert "All is well" in text_of(grace_client.get(LIST))


@pytest.mark.trap(11, 37)
@pytest.mark.parametrize("htmx", [True, False])
def test_a_failed_refund_is_paid_by_hand_instead(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer", htmx: bool
) -> None:
    refund = refunded(card_order, "30.00")
    part = refund.parts.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail")
    refund_changed(card_order.conference, {"id": part.stripe_refund_id})
    item = OpenItem.objects.unresolved().get()
    assert "Paid by hand instead" in text_of(grace_client.get(LIST))

    assert settle(grace_client, item, "transfer", htmx=htmx, reference=" ").status_code == 422
    settle(grace_client, item, "transfer", htmx=htmx, reference="SEPA 7")

    item.refresh_from_db()
    paid = card_order.refunds.latest("pk")
    assert str(item.resolution) == f"Paid by hand as {paid.number}"
    assert paid.parts.get().trace_reference == "SEPA 7"


@pytest.mark.trap(14)
@pytest.mark.parametrize("htmx", [True, False])
def test_credit_for_what_went_back_twice_is_taken_back(
    grace_client: Client, sam_client: Client, card_order: Order, sandbox: "SandboxServer", htmx: bool
) -> None:
    credit = RefundService.create_refund(card_order, amount=Decimal("80.00"), destination=Refund.Destination.CREDIT)
    intent = card_order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=8000")
    with suppress(IntegrityError):
        refund_changed(card_order.conference, {"id": made["id"]})
    item = OpenItem.objects.unresolved().get()
    assert "Take the credit back" in text_of(grace_client.get(LIST))
    sams = text_of(sam_client.get(LIST))
    assert ("Take the credit back…" in sams, "Settle with a note" in sams) == (False, True)
    assert settle(sam_client, item, "take_back").status_code == 403
    refused = settle(sam_client, item, "acknowledge", htmx=True, note="Never mind")
    assert "Finance can write it off" in text_of(refused)

    response = settle(grace_client, item, "take_back", htmx=htmx)

    assert response.status_code == (200 if htmx else 302)
    item.refresh_from_db()
    credit.refresh_from_db()
    assert (item.refund is not None, credit.remaining_amount) == (True, Decimal("0.00"))


def test_what_cannot_be_taken_back_says_so_in_the_row(
    grace_client: Client, card_order: Order, sandbox: "SandboxServer"
) -> None:
    intent = card_order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=8000")
    item = add(card_order.conference, Kind.EXTERNAL, made["id"], order=card_order, payment=card_order.payments.get())
    with fault(sandbox, "reset", count=9):
        response = settle(grace_client, item, "take_back", htmx=True)

    assert response.status_code == 422
    assert "Nothing was changed" in text_of(response)
