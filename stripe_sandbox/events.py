"""Writing events, and queueing them for the webhook endpoints that asked for them."""

from __future__ import annotations

from typing import Any

from .context import Context
from .ids import new_id
from .objects import Wire, wire
from .store import Record


def emit(ctx: Context, event_type: str, kind: str, record: Record, before: Wire | None = None) -> None:
    """Write one event about an object.

    Args:
        ctx: The account and the request that caused it.
        event_type: Such as ``refund.created``.
        kind: Kind of ``record``.
        record: The object after the change.
        before: The object as it was sent before the change, for ``previous_attributes``.
    """
    snapshot = wire(ctx, kind, record)
    event: Record = {
        "id": new_id("evt"),
        "created": ctx.now(),
        "type": event_type,
        "object": snapshot,
        "previous": changed(before, snapshot) if before is not None else None,
        "request_id": ctx.request_id,
        "idempotency_key": ctx.idempotency_key,
    }
    ctx.put("event", event)
    options = ctx.store.setting("webhooks", {})
    due = ctx.now() + int(options.get("delay_seconds", 0))
    for endpoint in ctx.find("webhook_endpoint"):
        if "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]:
            ctx.store.execute(
                "INSERT INTO deliveries (account, event, endpoint, due) VALUES (?, ?, ?, ?)",
                (ctx.account, event["id"], endpoint["id"], due),
            )


def changed(before: Wire, after: Wire) -> dict[str, Any]:
    """Return the old values of what differs, descending into hashes; a key that is new counts as null before."""
    previous: dict[str, Any] = {}
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new and (name in before) == (name in after):
            continue
        previous[name] = changed(old, new) if isinstance(old, dict) and isinstance(new, dict) else old
    return previous
