"""What waits for somebody on an order, above its page: each with a link to the item that settles it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.attention.failures import repeat_in_words
from dashboard.orders.facts import open_items
from dashboard.refunds.outcome import verifying_text, verifying_title
from registration.attention import explanation
from registration.models import OpenItem, Order
from registration.models.refund import State
from registration.services.repeats import Repeat, repeats_for

TOLD_IN_FULL = (OpenItem.Kind.BALANCE_LOW, OpenItem.Kind.UNSENT)
Told = tuple[str, str, str]
"""Title, text, and where the item is."""


@dataclass(frozen=True)
class Callouts:
    """What is said above the page of an order."""

    attention: list[SafeString]
    """A link for each item that has no callout of its own."""
    waiting: list[Told]
    """What keeps a refund from being sent, with the sum to top up."""
    verifying: list[Told]
    """The refunds that Stripe did not answer about."""


def callouts_of(order: Order) -> Callouts:
    """What waits on an order. Reads what was fetched with it."""
    items = open_items(order)
    for item in items:
        item.conference = order.conference
    unanswered = [item for item in items if item.kind == OpenItem.Kind.UNCONFIRMED]
    in_full = [item for item in items if item.kind in TOLD_IN_FULL]
    repeats = repeats_for(items)
    others = [item for item in items if item not in (*unanswered, *in_full)]
    return Callouts(
        attention=[_linked(item, repeats.get(item.pk, ())) for item in others],
        waiting=[(f"{item.get_kind_display()}.", explanation(item), _url(item)) for item in in_full],
        verifying=_verifying(order, {item.refund_id: _url(item) for item in unanswered}),
    )


def _linked(item: OpenItem, repeats: Iterable[Repeat]) -> SafeString:
    """What happened, as the way to what settles it, and what may be its repeat at Stripe."""
    told = " ".join(repeat_in_words(item, repeat) for repeat in repeats)
    return format_html('<a href="{}">{}</a> {}', _url(item), explanation(item), told)


def _verifying(order: Order, urls: dict[int | None, str]) -> list[Told]:
    refunds = (refund for refund in order.refunds.all() if refund.state == State.UNCONFIRMED)
    return [(verifying_title(refund), verifying_text(refund), urls.get(refund.pk, "")) for refund in refunds]


def _url(item: OpenItem) -> str:
    return reverse("attention_item", args=[item.pk])
