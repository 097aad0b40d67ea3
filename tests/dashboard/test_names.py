"""An attendee has one name on every page, and one that runs from right to left turns nothing else around."""

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.names import attendee_name, first_name
from registration.models import Order
from tests.cast import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("billed", "account", "email", "name"),
    [
        ("Ada King", "Lovelace", "ada@king.example", "Ada King"),
        ("", "Lovelace", "ada@king.example", "Ada Lovelace"),
        ("", "", "ada@king.example", "ada@king.example"),
        ("", "", "", "byron"),
    ],
)
def test_the_bill_names_first_then_the_account(billed: str, account: str, email: str, name: str) -> None:
    user = make_user("byron", first_name="Ada" if account else "", last_name=account)
    order = Order(user=user, billing_name=billed, billing_email=email)

    assert attendee_name(order) == name
    assert first_name(order) == name.split()[0]


def test_list_and_page_of_an_order_say_the_same(grace_client: Client, order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(billing_name="", billing_email="who@ever.example")
    order.user.first_name = order.user.last_name = ""
    order.user.save()

    for address in (reverse("order_list"), reverse("order_detail", args=[order.reference])):
        assert "who@ever.example" in grace_client.get(address).content.decode()


def test_a_name_from_right_to_left_stands_apart(order: Order) -> None:
    order.billing_name = "שירה גבעולי"

    assert attendee_name(order) == "\N{FIRST STRONG ISOLATE}שירה גבעולי\N{POP DIRECTIONAL ISOLATE}"
    assert first_name(order) == "\N{FIRST STRONG ISOLATE}שירה\N{POP DIRECTIONAL ISOLATE}"
