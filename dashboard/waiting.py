"""What waits for somebody, as the frame of every page counts it, and how far history has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from dashboard.lists.counts import Part, ask, newest
from registration.models import (
    ComparisonRun,
    Conference,
    Difference,
    HistoryEntry,
    OpenItem,
    Order,
    Refund,
    StripeEvent,
)

BY_KIND = (
    "(SELECT {rows} FROM (SELECT kind, COUNT(*) AS items, MAX(id) AS newest FROM {table}"
    " WHERE conference_id = %s AND resolved_at IS NULL GROUP BY kind) AS waiting)"
)
ROWS = {
    "sqlite": "json_group_array(json_array(kind, items, newest))",
    "postgresql": "json_agg(json_build_array(kind, items, newest))::text",
}
DIFFERING = (
    "(SELECT COUNT(*) FROM {differences} WHERE state IN ({states}) AND run_id ="
    " (SELECT MAX(id) FROM {runs} WHERE conference_id = %s AND state = %s))"
)
FAILED = "(SELECT COUNT(*) FROM {table} WHERE conference_id = %s AND state = 'FAILED')"
# The newest rows first: asked for by key and time together, the planner takes the whole table for what it has to read.
RECENT = (
    "(SELECT {keys} FROM (SELECT id, created_at FROM {table} ORDER BY id DESC LIMIT %s) AS newest"
    " WHERE created_at >= %s)"
)
KEYS = {"sqlite": "json_group_array(id)", "postgresql": "json_agg(id)::text"}
OVERLAP, OVERLAP_ENTRIES = timedelta(seconds=10), 200
"""Transactions commit out of order, so entries of the last seconds are looked at again, unless already told."""
LISTED = {"orders": Order, "refunds": Refund, "attention": OpenItem}
KEPT_AS = "_waiting"


@dataclass(frozen=True)
class Waiting:
    """Unresolved open items by kind, Stripe's messages that nobody could process, and how far the rows have come.

    Attributes:
        differences: What still differs from Stripe by the newest comparison.
        newest_item: Key of the newest unresolved open item.
        latest: Key of the newest entry of history.
        recent: Keys of entries of the last seconds.
        newest: Key of the newest row of each list.
    """

    conference_id: int
    items: dict[str, int]
    failed_events: int
    differences: int
    newest_item: int
    latest: int
    recent: frozenset[int]
    newest: dict[str, int]


def waiting_at(request: HttpRequest, conference: Conference) -> Waiting:
    """What waits at a conference, asked once for a request."""
    kept: Waiting | None = getattr(request, KEPT_AS, None)
    if kept is not None and kept.conference_id == conference.pk:
        return kept
    ask_with_frame(request, conference, {})
    asked: Waiting = getattr(request, KEPT_AS)
    return asked


def ask_with_frame(
    request: HttpRequest, conference: Conference, parts: Mapping[str, Part], source: Part | None = None
) -> dict[str, Any]:
    """Fetch what a page counts in one question with what its frame counts."""
    answers = ask(dict(parts) | _frame_parts(conference), source)
    items = json.loads(answers.pop("items") or "[]")
    kept = Waiting(
        conference_id=conference.pk,
        items={kind: count for kind, count, _newest in items},
        failed_events=answers.pop("failed_events"),
        differences=answers.pop("differences"),
        newest_item=max((newest for *_rest, newest in items), default=0),
        latest=answers.pop("latest") or 0,
        recent=frozenset(json.loads(answers.pop("recent") or "[]")),
        newest={page: answers.pop(page) or 0 for page in LISTED},
    )
    setattr(request, KEPT_AS, kept)
    return answers


def _frame_parts(conference: Conference) -> dict[str, Part]:
    by_kind = BY_KIND.format(rows=ROWS[connection.vendor], table=OpenItem._meta.db_table)
    return {
        "items": (by_kind, (conference.pk,)),
        "failed_events": (FAILED.format(table=StripeEvent._meta.db_table), (conference.pk,)),
        "differences": _differences(conference),
        "latest": newest(HistoryEntry),
        "recent": _recent(),
        **{page: newest(model) for page, model in LISTED.items()},
    }


def _differences(conference: Conference) -> Part:
    tables = {"differences": Difference._meta.db_table, "runs": ComparisonRun._meta.db_table}
    states = Difference.DIFFERING
    sql = DIFFERING.format(states=", ".join(["%s"] * len(states)), **tables)
    return sql, (*states, conference.pk, ComparisonRun.State.FINISHED)


def _recent() -> Part:
    sql = RECENT.format(keys=KEYS[connection.vendor], table=HistoryEntry._meta.db_table)
    since = connection.ops.adapt_datetimefield_value(timezone.now() - OVERLAP)
    return sql, (OVERLAP_ENTRIES, since)
