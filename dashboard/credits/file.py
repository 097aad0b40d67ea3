"""The credits of a conference as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from dashboard.credits.display import credit_state
from dashboard.lists.export import as_text, told_csv
from dashboard.templatetags.desk import person, state_label
from registration.models import Conference, Credit

CREDIT_COLUMNS = (
    *("credit", "issued", "name", "email", "amount", "left", "currency", "expires"),
    *("kind", "state", "kind_in_words", "state_in_words"),
    *("order", "refund", "issued_by", "note"),
)
"""Codes stand before their words."""


def credits_csv(credits: QuerySet[Credit], conference: Conference) -> Iterator[str]:
    """Write credits as CSV in their order, some at a time, in the words of their pages."""
    related = credits.select_related("user", "source_order", "refund", "issued_by")
    return told_csv(CREDIT_COLUMNS, related, _row, conference.zone)


def credits_file_name(conference: Conference) -> str:
    """Name the file after its conference."""
    # Translators: part of a file's name.
    what = _("credits")
    return f"{conference.slug}-{what}.csv"


def _row(credit: Credit) -> tuple[Any, ...]:
    state = credit_state(credit)
    return (
        *(credit.number, credit.created_at, as_text(person(credit.user)), as_text(credit.user.email)),
        *(credit.amount, credit.remaining_amount, credit.currency, credit.expires_at),
        *(credit.kind, state, credit.get_kind_display(), state_label(state, "credit")),
        as_text(credit.source_order.reference) if credit.source_order else "",
        credit.refund.number if credit.refund else "",
        as_text(person(credit.issued_by)) if credit.issued_by else "",
        as_text(str(credit.note)),
    )
