"""Open items for what differs from Stripe: opened when it is found, closed when both sides agree again."""

from __future__ import annotations

from typing import Any

from registration.models import Conference, Difference, OpenItem
from registration.said import say
from registration.services.comparison.rules import Verdict
from registration.services.open_items import close_items, open_item

Kind, State = OpenItem.Kind, Difference.State
AGREES = say("agrees")


def standing(conference: Conference, verdict: Verdict) -> str:
    """Whether a difference is open, waits under a name that only a person can settle, or was settled with a note."""
    items = OpenItem.objects.filter(conference=conference).order_by("-pk")
    named = items.filter(kind=Kind.UNMATCHED, subject__in=_stripe_ids(verdict))
    if verdict.kind == Difference.Kind.REFUND_MISSING_HERE:
        # It went back twice, past the desk: no book has room for it, so the item is all there can be.
        named |= items.filter(kind=Kind.EXTERNAL, subject=verdict.theirs["id"], refund=None)
    item = named.first() or _same_again(items, verdict)
    if item is None:
        return State.OPEN
    return State.NAMED if item.resolved_at is None else State.ACCEPTED


def _stripe_ids(verdict: Verdict) -> list[str]:
    """What an item about it goes by: its own id, and for a payment its intent's."""
    names = ("id", "payment") if verdict.kind == Difference.Kind.PAYMENT_MISSING_HERE else ("id",)
    return [verdict.theirs[name] for name in names if verdict.theirs.get(name)]


def _same_again(items: Any, verdict: Verdict) -> OpenItem | None:
    """The item that says all there is to say about exactly this: nothing but a person can help, or one has."""
    item: OpenItem | None = items.filter(kind=Kind.DRIFT, subject=verdict.subject).first()
    if item is None or item.facts.get("fingerprint") != verdict.fingerprint:
        return None
    is_settled = item.resolved_by_id is not None
    return item if is_settled or (item.resolved_at is None and item.facts.get("beyond_repair")) else None


def show(conference: Conference, verdict: Verdict, *, beyond_repair: bool = False) -> OpenItem:
    """Open the item for a difference; one that is open already is told how it differs now."""
    facts = facts_of(verdict) | ({"beyond_repair": True} if beyond_repair else {})
    details: dict[str, Any] = {"facts": facts}
    if verdict.order_id is not None:
        details["order"] = conference.orders.get(pk=verdict.order_id)
    item = open_item(Kind.DRIFT, verdict.subject, conference=conference, **details)
    if item.facts != facts:
        item.facts = facts
        item.save(update_fields=["facts"])
    return item


def hide(conference: Conference, subject: str) -> None:
    """Close the item of what agrees again."""
    close_items(Kind.DRIFT, subject, conference=conference, resolution=AGREES)


def facts_of(verdict: Verdict) -> dict[str, Any]:
    """Both sides, and what finds it at Stripe; amounts as strings in major units."""
    shown = verdict.theirs or verdict.ours
    noun = {"refund": "refund_id", "part": "refund_id", "dispute": "dispute_id"}
    name = noun.get(verdict.subject.partition(":")[0], "charge_id")
    return {
        "difference": verdict.kind,
        "ours": verdict.ours,
        "theirs": verdict.theirs,
        "fingerprint": verdict.fingerprint,
        "amount": shown.get("amount", ""),
        "currency": shown.get("currency", ""),
        name: shown.get("id", ""),
    }
