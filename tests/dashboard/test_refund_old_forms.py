"""A refund form that shows old numbers, or that was sent before, sends nothing on: it says what is so now."""

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from registration.models import Conference, Order, Refund
from tests.cast import HTMX, make_order
from tests.dashboard.refund_form import assert_nothing_changed, filled, refund_url

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.django_db(transaction=True)


def test_stale_form_gets_fresh_numbers(grace_client: Client, sam_client: Client, order: Order) -> None:
    seen_by_both = filled(order, destination="CREDIT", mode="full", note="Both of us")
    sam_client.post(refund_url(order), filled(order, destination="CREDIT"), headers=HTMX)

    response = grace_client.post(refund_url(order), seen_by_both, headers=HTMX)

    html = response.content.decode()
    assert response.status_code == 409
    assert "This order changed while you had it open" in html
    assert "€67.50 can be refunded now, not €80.00" in html
    assert "Sam Gamgee refunded €12.50" in html
    assert "Both of us" in html
    assert 'name="balance_seen" value="67.50"' in html
    assert 'name="amount" value' not in html
    assert order.refunds.count() == 1


def test_stale_line_items_get_fresh_numbers(grace_client: Client, order: Order) -> None:
    fields = filled(order, mode="items", lines=[order.line_items.get().pk], destination="CREDIT")
    grace_client.post(refund_url(order), fields, headers=HTMX)

    response = grace_client.post(refund_url(order), fields | {"nonce": str(uuid.uuid4())}, headers=HTMX)

    assert response.status_code == 409
    assert order.refunds.count() == 1


@pytest.mark.trap(8)
@pytest.mark.parametrize("fields", [{}, {"mode": "items"}, {"destination": "CARD_AND_CREDIT", "note": ""}])
def test_a_form_with_old_numbers_never_reaches_the_service(
    grace_client: Client, card_order: Order, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    """A balance that comes back before the lock is taken would let through what nobody planned or consented to."""
    lines = [line.pk for line in card_order.line_items.all()]
    old = filled(card_order, lines=lines, balance_seen="1.00", **fields)
    monkeypatch.setattr("registration.services.refund.RefundService.create_refund", never)

    response = grace_client.post(refund_url(card_order), old, headers=HTMX)

    assert response.status_code == 409
    assert "can be refunded now, not €1.00" in response.content.decode()


def never(*_args: Any, **_options: Any) -> None:
    pytest.fail("The service was called.")


@pytest.mark.trap(8)
def test_lines_with_old_numbers_are_chosen_again_though_the_balance_is_the_same(
    grace_client: Client, card_order: Order
) -> None:
    lines = [line.pk for line in card_order.line_items.all()]
    old = filled(card_order, mode="items", lines=lines, lines_seen="1:5.00")

    response = grace_client.post(refund_url(card_order), old, headers=HTMX)

    assert response.status_code == 409
    assert "The line items changed since you opened this order." in response.content.decode()
    assert not card_order.refunds.exists()


def test_second_submit_shows_the_first_result(grace_client: Client, card_order: Order) -> None:
    fields = filled(card_order)
    grace_client.post(refund_url(card_order), fields, headers=HTMX)

    again = grace_client.post(refund_url(card_order), fields, headers=HTMX)

    assert again.status_code == 200
    assert "It was not sent again." in again.content.decode()
    assert card_order.refunds.count() == 1


def test_second_submit_of_everything_shows_the_first_result(grace_client: Client, card_order: Order) -> None:
    fields = filled(card_order, mode="full")
    grace_client.post(refund_url(card_order), fields)

    again = grace_client.post(refund_url(card_order), fields)

    assert again.status_code == 302
    assert card_order.refunds.count() == 1


def test_another_orders_nonce_shows_nothing_of_it(
    grace_client: Client, order: Order, other_conference: Conference, ada: Any
) -> None:
    foreign = make_order(other_conference, ada, paid="30.00")
    nonce = str(uuid.uuid4())
    Refund.objects.create(order=foreign, amount=Decimal("30.00"), nonce=nonce, state="failed")

    response = grace_client.post(refund_url(order), filled(order, nonce=nonce), headers=HTMX)

    assert response.status_code == 422
    assert foreign.reference not in response.content.decode()
    assert_nothing_changed(order)


def test_second_submit_while_stripe_is_being_asked_blames_nobody(
    grace_client: Client, card_order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registration.services.refund.send_part", lambda part: part)
    fields = filled(card_order)
    grace_client.post(refund_url(card_order), fields, headers=HTMX)

    again = grace_client.post(refund_url(card_order), fields, headers=HTMX).content.decode()

    assert card_order.refunds.get().state == Refund.State.REQUESTED
    assert "€12.50 is being sent. Stripe has not answered yet." in again
    assert "Do not send it again." in again
    assert "did not answer" not in again
