"""Cursor lists and expansion, the same for every kind of object."""

from __future__ import annotations

from typing import Any

from .context import Context
from .errors import invalid, missing
from .objects import Wire, wire
from .store import Record

_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_EXPANDABLE = {
    ("charge", "balance_transaction"): "balance_transaction",
    ("charge", "customer"): "customer",
    ("charge", "payment_intent"): "payment_intent",
    ("dispute", "charge"): "charge",
    ("dispute", "payment_intent"): "payment_intent",
    ("payment_intent", "customer"): "customer",
    ("payment_intent", "latest_charge"): "charge",
    ("payment_intent", "payment_method"): "payment_method",
    ("payment_method", "customer"): "customer",
    ("refund", "balance_transaction"): "balance_transaction",
    ("refund", "charge"): "charge",
    ("refund", "customer"): "customer",
    ("refund", "failure_balance_transaction"): "balance_transaction",
    ("refund", "payment_intent"): "payment_intent",
    ("refund", "payment_method"): "payment_method",
}
_SOURCES = {"re": "refund", "ch": "charge", "dp": "dispute"}
_MAX_LEVELS = 4


def page(ctx: Context, kind: str, url: str, **equals: Any) -> Wire:
    """Return one page of a list, newest first, after or before a cursor."""
    params = ctx.params
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("Limit must be between 1 and 100.", "limit", "parameter_invalid_integer")
    conditions: list[tuple[str, Any]] = [
        (f"created {_OPERATORS[word]} ?", number) for word, number in params.get("created", {}).items()
    ]
    if "types" in params:
        conditions.append(("type IN (SELECT value FROM json_each(?))", _json_list(params["types"])))
    if "delivery_success" in params:
        failed = "EXISTS (SELECT 1 FROM deliveries WHERE event = records.id AND state != 'delivered')"
        conditions.append((f"({failed}) = ?", not params["delivery_success"]))
    backwards = "ending_before" in params
    cursor = params.get("ending_before") or params.get("starting_after")
    if cursor:
        conditions.append(_beyond(ctx, kind, cursor, backwards))
    found = ctx.store.find(
        ctx.account,
        kind,
        conditions=conditions,
        limit=limit + 1,
        oldest_first=backwards,
        **{name: value for name, value in equals.items() if value is not None},
    )
    shown = found[:limit]
    return _list(ctx, kind, url, shown[::-1] if backwards else shown, len(found) > limit)


def _beyond(ctx: Context, kind: str, cursor: str, backwards: bool) -> tuple[str, Any]:
    position = ctx.store.position(ctx.account, kind, cursor)
    if position is None:
        raise missing(kind, cursor, "ending_before" if backwards else "starting_after", status=400)
    return f"(created, seq) {'>' if backwards else '<'} (?, ?)", position


def _json_list(values: list[Any]) -> str:
    quoted = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "[" + ",".join(f'"{value}"' for value in quoted) + "]"


def _list(ctx: Context, kind: str, url: str, records: list[Record], has_more: bool) -> Wire:
    return {
        "object": "list",
        "data": [wire(ctx, kind, record) for record in records],
        "has_more": has_more,
        "url": url,
    }


def expand(ctx: Context, target: Wire, paths: list[str]) -> None:
    """Replace identifiers by objects, up to four levels deep."""
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > _MAX_LEVELS:
            raise invalid(f"You cannot expand more than {_MAX_LEVELS} levels of a property. Property: {path}", "expand")
        _expand(ctx, target, parts, path)


def _expand(ctx: Context, target: Wire, parts: list[str], path: str) -> None:
    name, rest = parts[0], parts[1:]
    if name == "data" and target.get("object") == "list":
        for item in target["data"]:
            _expand(ctx, item, rest, path)
        return
    value = target.get(name)
    if isinstance(value, str):
        value = target[name] = _fetch(ctx, target, name, value, path)
    elif target.get("object") == "charge" and name == "refunds" and value is None:
        value = target[name] = _refunds_of(ctx, target["id"])
    elif value is None:
        _kind(target, name, None, path)
    if rest and isinstance(value, dict):
        _expand(ctx, value, rest, path)


def _fetch(ctx: Context, target: Wire, name: str, identifier: str, path: str) -> Wire | str:
    kind = _kind(target, name, identifier, path)
    record = ctx.get(kind, identifier)
    return wire(ctx, kind, record) if record else identifier


def _kind(target: Wire, name: str, identifier: str | None, path: str) -> str:
    known = target.get("object", "")
    if known == "balance_transaction" and name == "source":
        return _SOURCES.get((identifier or "").split("_")[0], "charge")
    if (known, name) not in _EXPANDABLE:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    return _EXPANDABLE[known, name]


def _refunds_of(ctx: Context, charge_id: str) -> Wire:
    found = ctx.store.find(ctx.account, "refund", charge=charge_id, limit=11)
    return _list(ctx, "refund", f"/v1/charges/{charge_id}/refunds", found[:10], len(found) > 10)
