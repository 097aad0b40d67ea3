"""An open page learns what a colleague or Stripe changed, and nothing when nothing did."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.views.live import latest_entry
from registration.models import Order, Refund
from registration.services.refund import RefundService

pytestmark = pytest.mark.django_db


def ask(client: Client, order: Order, after: int, page: str = "list") -> str | None:
    url = reverse("order_changes")
    answer = client.get(url, {"after": after, "shown": order.reference, "page": page}, headers={"HX-Request": "true"})
    return None if answer.status_code == 204 else answer.content.decode()


def test_nothing_new_is_no_content(linus_client: Client, order: Order) -> None:
    assert ask(linus_client, order, latest_entry()) is None


def test_a_colleagues_credit_shows_in_the_open_list(linus_client: Client, order: Order) -> None:
    before = latest_entry()
    RefundService.create_refund(order, amount=Decimal("5.00"), destination=Refund.Destination.CREDIT)

    told = ask(linus_client, order, before)

    assert told is not None
    assert f'id="order-{order.reference}"' in told
    assert f'data-after="{latest_entry()}"' in told
    assert f'id="order-{order.reference}"' not in (ask(linus_client, order, before, page="order") or "")


def test_what_is_not_shown_only_moves_the_mark(linus_client: Client, order: Order) -> None:
    before = latest_entry()
    RefundService.create_refund(order, amount=Decimal("5.00"), destination=Refund.Destination.CREDIT)

    answer = linus_client.get(reverse("order_changes"), {"after": before, "shown": "ORD-NOBODY", "page": "list"})

    assert answer.status_code == 200
    assert "HX-Trigger" not in answer
    assert "<tr" not in answer.content.decode()


def test_a_broken_mark_is_taken_as_the_beginning(linus_client: Client, order: Order) -> None:
    assert linus_client.get(reverse("order_changes"), {"after": "x" * 50}).status_code in (200, 204)
