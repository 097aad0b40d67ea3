"""Open items as a page shows them, and the forms that settle them."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

from django.test import Client
from django.urls import reverse

from registration.models import Conference, OpenItem, Order, Refund
from registration.services.errors import RefundOutcome
from registration.services.refund import RefundService
from tests.cast import HTMX

LIST = "/attention/"


def add(conference: Conference, kind: str, subject: str = "re_1", amount: str = "50.00", **fields: Any) -> OpenItem:
    """An open item with the facts that its sentence needs."""
    facts = {"amount": amount, "currency": conference.currency} | fields.pop("facts", {})
    return OpenItem.objects.create(conference=conference, kind=kind, subject=subject, facts=facts, **fields)


def settle(client: Client, item: OpenItem, action: str, *, htmx: bool = False, **data: str) -> Any:
    """Send one of the item's forms."""
    url = reverse("attention_settle", args=[item.pk])
    return client.post(url, {"action": action, **data}, headers=HTMX if htmx else {})


def refunded(order: Order, amount: str) -> Refund:
    """A refund to the card, whatever becomes of it."""
    with suppress(RefundOutcome):
        RefundService.create_refund(order, amount=Decimal(amount), destination=Refund.Destination.CARD)
    return order.refunds.latest("pk")
