"""What waits for somebody, as the frame of every page counts it, and how far history has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.http import HttpRequest

from dashboard.counts import Part, ask, newest
from registration.models import Conference, HistoryEntry, OpenItem, StripeEvent

BY_KIND = (
    "(SELECT {rows} FROM (SELECT kind, COUNT(*) AS items FROM {table}"
    " WHERE conference_id = %s AND resolved_at IS NULL GROUP BY kind) AS waiting)"
)
ROWS = {
    "sqlite": "json_group_array(json_array(kind, items))",
    "postgresql": "json_agg(json_build_array(kind, items))::text",
}
FAILED = "(SELECT COUNT(*) FROM {table} WHERE conference_id = %s AND state = 'FAILED')"
KEPT_AS = "_waiting"


@dataclass(frozen=True)
class Waiting:
    """Unresolved open items by kind, Stripe's messages that nobody could process, and the newest entry of history."""

    conference_id: int
    items: dict[str, int]
    failed_events: int
    latest: int


def waiting_at(request: HttpRequest, conference: Conference) -> Waiting:
    """What waits at a conference, asked once for a request."""
    kept: Waiting | None = getattr(request, KEPT_AS, None)
    if kept is not None and kept.conference_id == conference.pk:
        return kept
    ask_with_frame(request, conference, {})
    asked: Waiting = getattr(request, KEPT_AS)
    return asked


def ask_with_frame(request: HttpRequest, conference: Conference, parts: Mapping[str, Part]) -> dict[str, Any]:
    """Fetch what a page counts in one question with what its frame counts."""
    answers = ask(dict(parts) | _frame_parts(conference))
    items = dict(json.loads(answers.pop("items") or "[]"))
    latest = answers.pop("latest") or 0
    kept = Waiting(conference.pk, items, answers.pop("failed_events"), latest)
    setattr(request, KEPT_AS, kept)
    return answers


def _frame_parts(conference: Conference) -> dict[str, Part]:
    by_kind = BY_KIND.format(rows=ROWS[connection.vendor], table=OpenItem._meta.db_table)
    return {
        "items": (by_kind, (conference.pk,)),
        "failed_events": (FAILED.format(table=StripeEvent._meta.db_table), (conference.pk,)),
        "latest": newest(HistoryEntry),
    }
