"""What the list of refunds can be narrowed by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from dashboard.lists.counts import COUNT_CAP
from dashboard.lists.filter import AmountFilter, ListFilter, choice_filter, day_filter
from dashboard.lists.unread import NO_SUCH_WORDS
from dashboard.templatetags.desk import person, state_label
from registration.figures import TO_CREDIT
from registration.models import Conference, Refund, RefundPart, RefundReason
from registration.models.refund import State
from registration.order_search import AmongKeys, Search
from registration.refund_ends import UNDONE, WITHDRAWN, that_ended
from registration.refund_search import search_refunds
from registration.requesters import requested_at
from registration.said import reason_in_words, told_in_words

Channel = RefundPart.Channel
STATES = (
    *(State.AWAITING_APPROVAL, State.AWAITING_TRANSFER, State.UNCONFIRMED, State.REQUESTED),
    *(State.PENDING, State.REQUIRES_ACTION, State.SUCCEEDED, State.FAILED, State.CANCELED, UNDONE),
    *(State.REJECTED, WITHDRAWN),
)
"""Every state: first what waits for somebody here. What was taken back here stands apart from the cancelled and the
rejected."""
WAYS = {
    "card": (_("Card"), Q(channel=Channel.STRIPE)),
    "credit": (_("Store credit"), Q(channel__in=TO_CREDIT)),
    "manual": (_("By hand"), Q(channel=Channel.MANUAL)),
}
ENDS = (State.CANCELED, UNDONE, State.REJECTED, WITHDRAWN)
EXTERNAL = "external"
NOBODY = "nobody"
TOLD = "stripe:"
"""Before what Stripe was told, where the house gave no reason of its own."""


class RefundFilter(ListFilter):
    """Search and filters of the refunds, the same for the page, its counts and the export."""

    q = django_filters.CharFilter(label=_("Search"), error_messages={"null_characters_not_allowed": NO_SUCH_WORDS})
    state = choice_filter([], _("State"), method="in_state")
    to = choice_filter(
        [*((way, label) for way, (label, _parts) in WAYS.items()), (EXTERNAL, _("Made at Stripe"))],
        _("Sent to"),
        method="sent_to",
        empty_label=_("Anywhere"),
    )
    reason = choice_filter([], _("Reason"), method="because_of", empty_label=_("Any reason"))
    by = choice_filter([], _("Requested by"), empty_label=_("Anybody"))
    since = day_filter(_("Requested from"))
    until = day_filter(_("Requested until"))
    least = AmountFilter(field_name="amount", lookup_expr="gte", label=_("Amount from"))
    most = AmountFilter(field_name="amount", lookup_expr="lte", label=_("Amount to"))

    def __init__(self, asked: Mapping[str, str], *args: Any, conference: Conference, **options: Any) -> None:
        super().__init__(asked, *args, conference=conference, **options)
        self._known: dict[str, list[int] | None] = {}

    def offers(self, name: str) -> list[tuple[str, str]] | None:
        """The states, the reasons of the conference, its people and who worked there, in the reader's language."""
        if name == "state":
            return [(state, state_label(state, "refund")) for state in STATES]
        if name == "reason":
            labels = RefundReason.objects.filter(conference=self.conference).values_list("label", flat=True)
            told = ((f"{TOLD}{code}", told_in_words(code)) for code in RefundReason.StripeReason.values)
            return [*((label, reason_in_words(label)) for label in labels), *told]
        if name == "by":
            asked = ((str(user.pk), person(user)) for user in requested_at(self.conference))
            people = sorted(asked, key=lambda each: each[1].casefold())
            return [*people, (NOBODY, str(_("Nobody at this desk")))]
        return None

    def narrowed(self, queryset: QuerySet[Refund], without: Collection[str] = ()) -> QuerySet[Refund]:
        """Leave those that were asked for; where few rows lead to them, by their keys, so that no list is walked."""
        for name, rows in self._leads.items():
            if name not in without:
                keys = self._keys(name)
                queryset = queryset.filter(Q(pk__in=rows) if keys is None else AmongKeys(keys))
        if self._search and self._search.is_common and "q" not in without:
            queryset = queryset.filter(self._search.condition)
        return super().narrowed(queryset, {*without, *LEADING, *self._leads})

    @property
    def finds_few(self) -> bool:
        """Whether something leaves so few that all of them can be counted."""
        return any(self._keys(name) is not None for name in self._leads)

    @cached_property
    def _search(self) -> Search | None:
        """What was typed, understood."""
        asked = self.read.get("q")
        return search_refunds(self.conference, asked) if asked else None

    @cached_property
    def _leads(self) -> dict[str, QuerySet[Any]]:
        """Rows that an index finds, as the keys of their refunds, by the filter that asks for them."""
        asked = {name: self.read.get(name) for name in LEADING}
        leads: dict[str, QuerySet[Any]] = {}
        if self._search and not self._search.is_common:
            leads["q"] = Refund.objects.filter(self._search.condition).order_by().values_list("pk", flat=True)
        if asked["by"]:
            requested = Q(requested_by__isnull=True) if asked["by"] == NOBODY else Q(requested_by=asked["by"])
            leads["by"] = Refund.objects.filter(requested).order_by().values_list("pk", flat=True)
        if asked["since"] or asked["until"]:
            leads["since"] = self._requested(asked["since"], asked["until"])
        return leads

    def _requested(self, since: Any, until: Any) -> QuerySet[Any]:
        """By the days they were asked for, also those that have no parts, as an import may bring them."""
        refunds: QuerySet[Refund] = Refund.objects.order_by()
        refunds = refunds.filter(created_at__gte=self.start_of(since)) if since else refunds
        refunds = refunds.filter(created_at__lt=self.end_of(until)) if until else refunds
        return refunds.values_list("pk", flat=True)

    def _keys(self, name: str) -> list[int] | None:
        """The refunds that a filter leads to, read once; None where they are more than are counted."""
        if name not in self._known:
            keys = list(self._leads[name][: COUNT_CAP + 1])
            self._known[name] = sorted(set(keys)) if len(keys) <= COUNT_CAP else None
        return self._known[name]

    def in_state(self, queryset: QuerySet[Refund], _name: str, value: str) -> QuerySet[Refund]:
        """Keep those in one state, as the chips name it."""
        return queryset.filter(in_state(value))

    def sent_to(self, queryset: QuerySet[Refund], _name: str, value: str) -> QuerySet[Refund]:
        """Keep those of which some went one way, or that were made at Stripe."""
        if value == EXTERNAL:
            return queryset.filter(source=Refund.Source.EXTERNAL)
        _label, went = WAYS[value]
        return queryset.filter(Exists(RefundPart.objects.filter(went, refund=OuterRef("pk"))))

    def because_of(self, queryset: QuerySet[Refund], _name: str, value: str) -> QuerySet[Refund]:
        """Keep those with a reason of the house, or with none and what Stripe was told."""
        if value.startswith(TOLD):
            return queryset.filter(reason="", stripe_reason=value.removeprefix(TOLD))
        return queryset.filter(reason=value)


LEADING = ("q", "by", "since", "until")
"""Filters that an index leads from to refunds; both ends of a period do so together."""


def in_state(state: str) -> Q:
    """Refunds in one of ``STATES``."""
    return that_ended(state) if state in ENDS else Q(state=state)
