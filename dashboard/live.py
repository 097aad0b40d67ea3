"""What an open page knows, and what has happened since: read off the history, so that asking costs little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import ngettext
from django_htmx.http import trigger_client_event

from dashboard.waiting import OVERLAP, OVERLAP_ENTRIES, Waiting, waiting_at
from registration.credit_ledger import newest_entry_of
from registration.models import Conference, HistoryEntry
from registration.sentences import sentence

MOST_TOLD = 3


@dataclass(frozen=True)
class Mark:
    """How much a page has seen: the newest entry of all histories, those of the last seconds, what waits, what is new.

    Attributes:
        entry: Key of the newest history entry.
        recent: Keys of entries of the last seconds; a smaller one that is not among them came late.
        waiting: Of the open items, how many and which is the newest: it changes with each that opens or is settled.
        newest: Key of the newest row of the kind that the page lists.
    """

    entry: int = 0
    recent: frozenset[int] = frozenset()
    waiting: str = ""
    newest: int = 0

    def __str__(self) -> str:
        """As the page keeps it."""
        return f"{self.entry}.{'-'.join(map(str, sorted(self.recent)))}.{self.waiting}.{self.newest}"

    @classmethod
    def read(cls, text: str) -> Mark:
        """Read what a page kept; what cannot be read counts as having seen nothing."""
        entry, recent, waiting, newest = [*text.split("."), "", "", "", ""][:4]
        seen = frozenset(map(_number, recent.split("-"))) - {0}
        return cls(_number(entry), seen, waiting, _number(newest))


@dataclass(frozen=True)
class LivePage:
    """What a page shows, and which of its elements are drawn anew when that changes.

    ``newest`` was read before what is shown, where the frame does not read it.
    """

    page: str
    about: str = ""
    draws: str = ""
    newest: int | None = None


def mark_now(waiting: Waiting | None, page: str, newest: int | None = None) -> Mark:
    """How much a page knows that is drawn from what was read by then; ``newest`` where the frame does not read it."""
    if waiting is None:
        return Mark()
    items = f"{sum(waiting.items.values())}x{waiting.newest_item}"
    return Mark(waiting.latest, waiting.recent, items, waiting.newest.get(page, 0) if newest is None else newest)


def newest_for(page: str, about: str, conference: Conference) -> int | None:
    """Key of the newest movement that a page about an attendee shows; the frame counts for all others."""
    return newest_entry_of(_number(about), conference) if page == "attendee" else None


def news_since(mark: Mark, conference: Conference) -> QuerySet[HistoryEntry]:
    """Entries of the conference that a page with this mark has not been told of."""
    late = Q(pk__gt=mark.entry - OVERLAP_ENTRIES, created_at__gte=timezone.now() - OVERLAP)
    entries = HistoryEntry.objects.filter(Q(pk__gt=mark.entry) | late, order__conference=conference)
    return entries.exclude(pk__in=mark.recent).order_by("pk")


def told(news: QuerySet[HistoryEntry], user: Any) -> str:
    """What a screen reader hears of what others did to the orders shown, once."""
    by_others = [entry for entry in news.select_related("order", "actor", "refund") if entry.actor_id != user.pk]
    if len(by_others) > MOST_TOLD:
        count = len({entry.order_id for entry in by_others})
        return ngettext("%(count)s order changed", "%(count)s orders changed", count) % {"count": count}
    return ". ".join(f"{entry.order.reference}: {sentence(entry)}" for entry in by_others)


def tell_newest(response: HttpResponse, request: HttpRequest, conference: Conference, page: str) -> HttpResponse:
    """Say to the script that the list just drawn has all rows that there are."""
    return trigger_client_event(response, "live:newest", {"newest": waiting_at(request, conference).newest[page]})


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
