"""The menu of a row: what else can be done, and why nothing can be refunded."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from registration.models import Order

NewOrder = Callable[..., Order]


def menu(client: Client, order: Order) -> str:
    return client.get(reverse("order_menu", args=[order.reference])).content.decode()


def test_the_menu_leads_to_the_order_the_attendee_and_stripe(grace_client: Client, order: Order) -> None:
    told = menu(grace_client, order)
    for url in (reverse("order_detail", args=[order.reference]), reverse("attendee_detail", args=[order.user_id])):
        assert f'href="{url}"' in told
    assert f"/payments/{order.payments.get().stripe_payment_intent_id}" in told
    assert "menu-note" not in told


def test_the_menu_says_why_nothing_can_be_refunded(grace_client: Client, new_order: NewOrder) -> None:
    assert "Not refundable: nothing was paid yet." in menu(grace_client, new_order(total="10.00"))
