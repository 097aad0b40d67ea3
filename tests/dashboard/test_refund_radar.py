"""The duplicate radar warns of the same amount to the same person or card, and blocks nothing that is meant."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registration.models import Conference, Order, Refund
from registration.services import duplicates
from tests.cast import HTMX, make_order, make_user
from tests.dashboard.refund_form import filled, refund_url
from tests.registration.books import make_refund

pytestmark = pytest.mark.django_db(transaction=True)
State = Refund.State


def preview(client: Client, order: Order, **fields: Any) -> str:
    order.refresh_from_db()
    url = reverse("refund_preview", args=[order.reference])
    return " ".join(client.post(url, filled(order, **fields), headers=HTMX).content.decode().split())


def earlier(order: Order, amount: str = "12.50", state: str = State.SUCCEEDED, **ago: int) -> Refund:
    refund = make_refund(order, amount, state).refund
    Refund.objects.filter(pk=refund.pk).update(created_at=timezone.now() - timedelta(**(ago or {"days": 3})))
    return refund


def test_nobody_got_it_and_nothing_is_said(grace_client: Client, order: Order) -> None:
    html = preview(grace_client, order)
    assert 'id="radar" aria-live="polite" hx-swap-oob="true"> </div>' in html


def test_the_same_amount_to_the_same_person_is_told_with_a_link(
    grace_client: Client, order: Order, conference: Conference, ada: Any
) -> None:
    refund = earlier(make_order(conference, ada, paid="40.00"))

    html = preview(grace_client, order)

    assert "Ada got €12.50 back lately." in html
    assert f'href="{reverse("refund_detail", args=[refund.pk])}"' in html
    assert "confirm_repeat" not in html
    assert "aria-disabled" not in html


UNDER_WAY = [
    (State.AWAITING_APPROVAL, "waits for approval"),
    (State.REQUESTED, "is under way already."),
    (State.UNCONFIRMED, "is under way already."),
]


@pytest.mark.parametrize(("state", "how_far"), UNDER_WAY)
def test_what_is_under_way_counts_and_is_not_called_refunded(
    grace_client: Client, order: Order, conference: Conference, state: str, how_far: str
) -> None:
    bob = earlier(make_order(conference, make_user("bob"), paid="40.00"), state=state)
    assert f"A refund of €12.50 to a card with the same last four digits {how_far}" in preview(grace_client, order)

    Order.objects.filter(pk=bob.order_id).update(billing_email=order.billing_email)
    assert f"A refund of €12.50 to Ada {how_far}" in preview(grace_client, order)

    earlier(order, state=state)
    html = preview(grace_client, order)
    assert f"A refund of €12.50 of this order {how_far}" in html
    assert "refunded before" not in html


@pytest.mark.parametrize("state", [State.PENDING, State.REQUIRES_ACTION, State.SUCCEEDED])
def test_what_stripe_accepted_was_refunded_whatever_else_waits(grace_client: Client, order: Order, state: str) -> None:
    earlier(order, state=state)
    earlier(order, state=State.AWAITING_APPROVAL)
    assert "€12.50 of this order was refunded before." in preview(grace_client, order)


def test_one_under_way_beside_a_proposal_is_under_way(grace_client: Client, order: Order) -> None:
    earlier(order, state=State.REQUESTED)
    earlier(order, state=State.AWAITING_APPROVAL)
    assert "A refund of €12.50 of this order is under way already." in preview(grace_client, order)


def test_what_was_made_at_stripe_counts(grace_client: Client, order: Order) -> None:
    earlier(order)
    Refund.objects.update(source=Refund.Source.EXTERNAL)
    assert "Made at Stripe" in preview(grace_client, order)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELED, State.REJECTED])
def test_what_moved_no_money_does_not(grace_client: Client, order: Order, state: str) -> None:
    earlier(order, state=state)
    assert "alert-heading" not in preview(grace_client, order)


def test_another_amount_and_long_ago_do_not(grace_client: Client, order: Order) -> None:
    earlier(order, "12.49")
    earlier(order, days=15)
    assert "alert-heading" not in preview(grace_client, order)


def test_the_same_address_is_the_same_person(grace_client: Client, order: Order, conference: Conference) -> None:
    earlier(make_order(conference, make_user("ada2"), paid="40.00", billing_email="ada@example.com"))
    Order.objects.filter(pk=order.pk).update(billing_email="Ada@example.com")
    assert "Ada got €12.50 back lately." in preview(grace_client, order)


def test_the_same_card_of_somebody_else_is_told_as_that(
    grace_client: Client, order: Order, conference: Conference
) -> None:
    earlier(make_order(conference, make_user("bob", "Martin"), paid="40.00"))

    html = preview(grace_client, order)

    assert "€12.50 went back lately to a card with the same last four digits." in html
    assert "Bob Martin" in html


def test_somebody_else_with_another_card_is_nobody(grace_client: Client, order: Order, conference: Conference) -> None:
    other = make_order(conference, make_user("bob", "Martin"), paid="40.00")
    other.payments.update(card_last4="0005")
    earlier(other)
    assert "alert-heading" not in preview(grace_client, order)


def test_another_conference_is_not_told(
    grace_client: Client, order: Order, other_conference: Conference, ada: Any
) -> None:
    earlier(make_order(other_conference, ada, paid="40.00"))
    assert "alert-heading" not in preview(grace_client, order)


@pytest.mark.trap(1, 7)
def test_within_minutes_on_the_same_order_a_tick_is_needed_and_is_enough(
    grace_client: Client, card_order: Order
) -> None:
    grace_client.post(refund_url(card_order), filled(card_order), headers=HTMX)
    card_order.refresh_from_db()

    refused = grace_client.post(refund_url(card_order), filled(card_order), headers=HTMX)
    other_sum = grace_client.post(refund_url(card_order), filled(card_order, confirm_repeat="9.00"), headers=HTMX)
    assert refused.status_code == other_sum.status_code == 422
    assert "Tick that you want to refund this amount again." in refused.content.decode()
    assert card_order.refunds.count() == 1

    meant = grace_client.post(refund_url(card_order), filled(card_order, confirm_repeat="12.50"), headers=HTMX)
    assert meant.status_code == 200
    assert card_order.refunds.count() == 2


def test_the_preview_asks_for_the_tick_and_frees_the_button(grace_client: Client, order: Order) -> None:
    earlier(order, minutes=2)

    asked, ticked = preview(grace_client, order), preview(grace_client, order, confirm_repeat="12.50")

    assert "I want to refund €12.50 of this order again" in asked
    assert 'aria-disabled="true" aria-describedby="radar"' in asked
    assert 'id="id_confirm_repeat" checked' in ticked
    assert "aria-disabled" not in ticked


def test_after_the_minutes_no_tick_is_needed(grace_client: Client, card_order: Order) -> None:
    earlier(card_order, minutes=11)
    card_order.refresh_from_db()

    response = grace_client.post(refund_url(card_order), filled(card_order), headers=HTMX)

    assert response.status_code == 200
    assert card_order.refunds.filter(amount=Decimal("12.50")).count() == 2


def test_a_card_that_very_many_share_says_nothing(
    grace_client: Client, order: Order, conference: Conference, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier(make_order(conference, make_user("bob", "Martin"), paid="40.00"))
    monkeypatch.setattr(duplicates, "MOST_BY_CARD", 1)
    assert "went back lately" not in preview(grace_client, order)
    monkeypatch.setattr(duplicates, "MOST_BY_CARD", 2)
    assert "went back lately" in preview(grace_client, order)
