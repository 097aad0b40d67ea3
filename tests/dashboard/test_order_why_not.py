"""Why a key does nothing at an order, in the words that the order itself says it with."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, OpenItem, Order
from tests.cast import HTMX, make_credit
from tests.dashboard.reading import text_of

NewOrder = Callable[..., Order]
pytestmark = pytest.mark.django_db


def told(client: Client, order: Order, key: str) -> str:
    return text_of(client.get(reverse("order_why_not", args=[order.reference]), {"key": key}, headers=HTMX))


def test_nothing_was_paid(grace_client: Client, new_order: NewOrder) -> None:
    order = new_order(total="10.00")

    text = told(grace_client, order, "r")

    assert f"{order.reference} cannot be refunded now" in text
    assert "Not refundable: nothing was paid yet." in text
    assert 'id="toasts"' in text
    assert "data-fades" in text


def test_paid_orders_take_no_credit(grace_client: Client, order: Order) -> None:
    text = told(grace_client, order, "c")

    assert f"No credit can be applied to {order.reference}" in text
    assert f"{order.reference} is not waiting for payment. Credit can only pay pending orders." in text


def test_the_attendee_has_no_credit(grace_client: Client, pending_order: Order) -> None:
    assert "Ada Lovelace has no credit to spend" in told(grace_client, pending_order, "c")


def test_the_role_is_named_first(linus_client: Client, order: Order) -> None:
    assert "This needs the role Support" in told(linus_client, order, "r")


def test_what_comes_first_is_named(grace_client: Client, conference: Conference, order: Order) -> None:
    failed = order.refunds.create(amount="5.00", state="failed", destination="CARD")
    OpenItem.objects.create(
        conference=conference, order=order, kind=OpenItem.Kind.FAILED, subject="re_1", refund=failed
    )

    assert "“Resolve” comes first. Open the order to do something else." in told(grace_client, order, "r")


def test_credit_that_could_be_applied_is_not_refused(
    grace_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    make_credit(conference, ada, "5.00")

    assert "“Apply credit” comes first." in told(grace_client, pending_order, "c")


def test_orders_of_another_conference_stay_unknown(
    grace_client: Client, other_conference: Conference, new_order: NewOrder, ada: Any
) -> None:
    order = new_order(total="10.00")
    Order.objects.filter(pk=order.pk).update(conference=other_conference)

    url = reverse("order_why_not", args=[order.reference])
    assert grace_client.get(url, {"key": "r"}, headers=HTMX).status_code == 404
