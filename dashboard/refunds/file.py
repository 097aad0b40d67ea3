"""Refunds as a file, with what finds them at Stripe."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from dashboard.lists.export import as_text, told_csv
from dashboard.names import attendee_email, attendee_name
from dashboard.refunds.lines import line_in_words
from dashboard.templatetags.desk import shown_state, state_label
from registration.models import Conference, Credit, Refund, RefundLine, RefundPart
from registration.models.refund import ACCEPTED, OVER, RESERVING, State
from registration.said import why_refunded
from registration.sentences import person
from registration.services.lines import total_of
from registration.services.retries import GAVE_WAY
from registration.services.twice import rest_of
from registration.ways import way_of

REFUND_COLUMNS = (
    *("refund", "requested", "order", "name", "email", "amount", "fee", "currency"),
    *("state", "destination", "source", "stripe_reason"),
    *("state_in_words", "destination_in_words", "source_in_words", "reason", "note"),
    *("requested_by", "decided_by", "retry_of", "store_credits", "line_items"),
    *("stripe_refunds", "payment_intents", "charges", "references"),
    *("arrived", "on_its_way", "reserved", "came_back", "not_sent", "carried_over"),
)
"""Codes stand before their words; of a refund with several parts, ids stand beside each other. The last six are its
amount by what became of each part: what arrived, is on its way or came back is what the books say left. What credit
that gave way carried over is the amount of another refund, and counts there."""
BESIDE = " "


def refunds_csv(refunds: QuerySet[Refund], conference: Conference) -> Iterator[str]:
    """Write refunds as CSV in their order, some at a time, in the words of their pages."""
    related = refunds.select_related("order__user", "requested_by", "decided_by", "retry_of")
    lines = Prefetch("lines", RefundLine.objects.select_related("line_item").order_by("pk"))
    beside = related.prefetch_related("parts__payment", "retries__parts", "credits", lines)
    return told_csv(REFUND_COLUMNS, beside, _row, conference.zone)


def refunds_file_name(conference: Conference) -> str:
    """Name the file after its conference."""
    # Translators: part of a file's name.
    what = _("refunds")
    return f"{conference.slug}-{what}.csv"


def _row(refund: Refund) -> tuple[Any, ...]:
    order, parts = refund.order, list(refund.parts.all())
    payments = [part.payment for part in parts]
    people = (person(who) if who else "" for who in (refund.requested_by, refund.decided_by))
    return (
        *(refund.number, refund.created_at, as_text(order.reference)),
        *map(as_text, (attendee_name(order), attendee_email(order))),
        *(refund.amount, refund.fee_amount, refund.currency),
        *(refund.state, refund.destination, refund.source, refund.stripe_reason),
        state_label(shown_state(refund), "refund"),
        *(way_of(refund), refund.get_source_display()),
        *map(as_text, (why_refunded(refund), refund.note, *people)),
        refund.retry_of.number if refund.retry_of else "",
        BESIDE.join(Credit(pk=key).number for key in sorted(_credits(refund, parts))),
        as_text("; ".join(map(line_in_words, refund.lines.all()))),
        _beside(part.stripe_refund_id for part in parts),
        _beside(payment.stripe_payment_intent_id for payment in payments),
        _beside(payment.stripe_charge_id for payment in payments),
        _beside(part.trace_reference for part in parts),
        *_by_fate(refund, parts),
    )


def _credits(refund: Refund, parts: list[RefundPart]) -> set[int]:
    """Keys of the credits that were issued for it, and of those that some of it went back to."""
    return {credit.pk for credit in refund.credits.all()} | {part.credit_id for part in parts if part.credit_id}


def _by_fate(refund: Refund, parts: list[RefundPart]) -> tuple[Decimal, ...]:
    """How much of a refund arrived, is on its way, is reserved, came back, never left, and goes on as another."""
    ended = [part for part in parts if part.state in OVER]
    carried_over = total_of(rest_of(part, refund) for part in ended)
    fates = (
        [part for part in parts if part.state == State.SUCCEEDED],
        [part for part in parts if part.state in ACCEPTED and part.state != State.SUCCEEDED],
        [part for part in parts if part.state in RESERVING],
        [part for part in ended if _had_left(part)],
        [part for part in ended if not _had_left(part)],
    )
    arrived, on_its_way, reserved, ended_after, not_sent = (total_of(part.amount for part in fate) for fate in fates)
    return arrived, on_its_way, reserved, ended_after - carried_over, not_sent, carried_over


def _had_left(part: RefundPart) -> bool:
    """Whether the books say that it left; credit from a note that was made by hand keeps no moment of its own."""
    return part.accepted_at is not None or part.failure_reason == GAVE_WAY


def _beside(ids: Any) -> str:
    return as_text(BESIDE.join(dict.fromkeys(filter(None, ids))))
