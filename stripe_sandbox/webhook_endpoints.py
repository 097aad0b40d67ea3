"""Where events are sent: only to this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from . import API_VERSION
from .context import Context
from .errors import invalid
from .forms import merge_metadata, require
from .ids import new_id
from .objects import Wire, wire
from .store import Record

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def create(ctx: Context) -> Wire:
    """Register an endpoint; its secret is shown this once."""
    require(ctx.params, "url")
    enabled = ctx.params.get("enabled_events")
    if not enabled:
        raise invalid("Missing required param: enabled_events.", "enabled_events", "parameter_missing")
    if ctx.params.get("api_version", API_VERSION) != API_VERSION:
        raise invalid(f"The stripe-sandbox only speaks {API_VERSION}.", "api_version")
    record = register(
        ctx,
        ctx.params["url"],
        enabled_events=enabled,
        api_version=ctx.params.get("api_version"),
        description=ctx.params.get("description"),
        metadata=merge_metadata({}, ctx.params.get("metadata")),
    )
    return {**wire(ctx, "webhook_endpoint", record), "secret": record["secret"]}


def register(
    ctx: Context,
    url: str,
    *,
    enabled_events: list[str],
    secret: str | None = None,
    api_version: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Record:
    """Store an endpoint, with a secret of the caller's or a new one."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK:
        raise invalid("The stripe-sandbox sends webhooks to this machine only (127.0.0.1 or localhost).", "url")
    record: Record = {
        "id": new_id("we"),
        "created": ctx.now(),
        "url": url,
        "secret": secret or new_id("whsec"),
        "enabled_events": enabled_events,
        "api_version": api_version,
        "description": description,
        "metadata": metadata or {},
    }
    ctx.put("webhook_endpoint", record)
    return record


def delete(ctx: Context) -> Wire:
    """Remove an endpoint; what it still had to receive is dropped."""
    record = ctx.need("webhook_endpoint", ctx.path_ids[0])
    ctx.store.delete(ctx.account, "webhook_endpoint", record["id"])
    ctx.store.execute(
        "UPDATE deliveries SET state = 'dropped' WHERE endpoint = ? AND state = 'pending'", (record["id"],)
    )
    return {"id": record["id"], "object": "webhook_endpoint", "deleted": True}
