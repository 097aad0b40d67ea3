"""What the frame of every page needs, computed only when a page is drawn with its frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.access import conference_or_none, conferences_of
from dashboard.addresses import page_address
from dashboard.refunds.held import Held, held_of
from dashboard.waiting import Waiting, waiting_at
from registration.models import Conference, OpenItem
from registration.roles import role_in_words

KINDS_NAMED = 3
"""How many kinds the callout names: more would fill a phone."""


def desk(request: HttpRequest) -> dict[str, Any]:
    """Offer ``desk`` to templates."""
    return {"desk": Desk(request)}


@dataclass
class NavItem:
    """A page of the main navigation; ``key`` follows G on the keyboard."""

    url: str
    label: str
    icon: str
    key: str
    current: bool


@dataclass
class Queue:
    """A list of orders that wait for something."""

    url: str
    label: str
    hue: str
    count: int
    current: bool


class Desk:
    """The conference on the desk, where one can go from here, and what waits."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def _is_signed_in(self) -> bool:
        user = getattr(self._request, "user", None)
        return bool(user is not None and user.is_authenticated)

    @cached_property
    def conferences(self) -> list[Conference]:
        """Those the user is a member of."""
        return conferences_of(self._request) if self._is_signed_in else []

    @cached_property
    def conference(self) -> Conference | None:
        """The one whose rows the lists show; on the page of one order, that order's."""
        if not self._is_signed_in:
            return None
        shown: Conference | None = getattr(self._request, "conference", None)
        return shown or conference_or_none(self._request)

    @property
    def zone(self) -> str:
        """The name of the time zone, as scripts know it."""
        return timezone.get_current_timezone_name()

    @property
    def clock(self) -> str:
        """The time zone of all dates and times on the page: "Berlin (CET)"."""
        place = timezone.get_current_timezone_name().rpartition("/")[2].replace("_", " ")
        name = timezone.localtime().tzname()
        return place if place == name else f"{place} ({name})"

    @cached_property
    def role(self) -> str:
        """The user's role in words."""
        return role_in_words(getattr(self.conferences[0], "role", None) or "") if self.conferences else ""

    @cached_property
    def held(self) -> list[Held]:
        """Refunds of this session that can still be undone, but for the one whose own page this is."""
        found = held_of(self._request) if self._is_signed_in else []
        return [each for each in found if each.page_url != self._request.path]

    @property
    def is_sandbox(self) -> bool:
        """Whether Stripe itself is a stand-in on this machine."""
        return bool(settings.STRIPE_API_BASE) and "stripe.com" not in settings.STRIPE_API_BASE

    @property
    def is_test_mode(self) -> bool:
        """Whether the conference's key moves no real money."""
        return self.conference is not None and not self.conference.uses_live_key

    @cached_property
    def nav(self) -> list[NavItem]:
        """The pages the user may open."""
        pages = (
            ("order_list", _("Orders"), "queue-list", "o", "registration.view_order", ("/orders/",)),
            ("refund_list", _("Refunds"), "arrow-uturn-left", "r", "registration.view_refund", ("/refunds/",)),
            # An attendee's page is where their credit is kept.
            ("credit_list", _("Credits"), "wallet", "c", "registration.view_credit", ("/credits/", "/attendees/")),
            ("overview", _("Overview"), "chart-bar", "v", "registration.view_overview", ("/overview/",)),
            ("books", _("Books"), "book-open", "b", "registration.view_books", ("/books/",)),
        )
        if not self._is_signed_in:
            return []
        user, here = self._request.user, self._request.path
        return [
            NavItem(page_address(name), label, icon, key, here.startswith(beginnings))
            for name, label, icon, key, permission, beginnings in pages
            if user.has_perm(permission)
        ]

    @property
    def nav_keys(self) -> str:
        """The keys that lead to the pages of the navigation."""
        return "".join(item.key for item in self.nav)

    @property
    def nav_look(self) -> str:
        """All that the navigation is drawn from: the pages the user may open, and the one that is open."""
        return "".join(f"{item.key}{'!' if item.current else ''}" for item in self.nav)

    @cached_property
    def attention(self) -> dict[str, int]:
        """Unresolved open items of the conference by kind; their sum is what needs attention."""
        return self.waiting.items if self.waiting else {}

    @property
    def waiting(self) -> Waiting | None:
        """What waits at the conference, and how far its rows have come."""
        return waiting_at(self._request, self.conference) if self.conference is not None else None

    @property
    def attention_words(self) -> str:
        """The most frequent in words: "Refund failed: 3, Being verified: 2 and 4 more kinds"."""
        labels = dict(OpenItem.Kind.choices)
        # As many of two kinds: as the kinds are listed, whatever order the database counted them in.
        places = {kind: place for place, kind in enumerate(labels)}
        by_count = sorted(self.attention.items(), key=lambda item: (-item[1], places.get(item[0], len(places))))
        words = ", ".join(f"{labels.get(kind, kind)}: {count}" for kind, count in by_count[:KINDS_NAMED])
        more = len(by_count) - KINDS_NAMED
        if more <= 0:
            return words
        pattern = ngettext("%(kinds)s and %(more)s more kind", "%(kinds)s and %(more)s more kinds", more)
        return pattern % {"kinds": words, "more": more}

    @cached_property
    def queues(self) -> list[Queue]:
        """Shortcuts to the orders that wait, with how many they are."""
        if self.conference is None or not self._request.user.has_perm("registration.view_order"):
            return []
        kinds = OpenItem.Kind
        counts = self.attention
        return [
            self._page("attention_list", _("Needs attention"), "amber", sum(counts.values())),
            self._queue(kinds.FAILED, _("Failed refunds"), "red", counts.get(kinds.FAILED, 0)),
            self._queue(kinds.UNCONFIRMED, _("Being verified"), "amber", counts.get(kinds.UNCONFIRMED, 0)),
            self._queue(kinds.SLOW, _("Slow at Stripe"), "blue", counts.get(kinds.SLOW, 0)),
            *self._event_queues(),
            *self._comparison_queue(),
        ]

    def _event_queues(self) -> list[Queue]:
        """What Stripe told us and nobody could process, for those who can have it processed again."""
        if self.conference is None or not self._request.user.has_perm("registration.view_stripeevent"):
            return []
        failed = waiting_at(self._request, self.conference).failed_events
        return [self._page("event_list", _("Stripe events"), "red", failed)]

    def _comparison_queue(self) -> list[Queue]:
        """What differs from Stripe, for those who may see it, as the page of the comparison counts it."""
        if self.waiting is None or not self._request.user.has_perm("registration.view_comparisonrun"):
            return []
        return [self._page("comparison", _("Comparison"), "amber", self.waiting.differences)]

    def _page(self, name: str, label: str, hue: str, count: int) -> Queue:
        url = page_address(name)
        return Queue(url, label, hue, count, self._request.path.startswith(url))

    def _queue(self, attention: str, label: str, hue: str, count: int) -> Queue:
        url = page_address("order_list")
        current = self._request.path == url and self._request.GET.get("attention") == attention
        return Queue(f"{url}?{urlencode({'attention': attention})}", label, hue, count, current)
