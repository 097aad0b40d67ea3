"""A refund that tries a failed one again: what it repeats and why that failed, and what the form opens with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from dashboard.forms.refund import CUSTOM, ITEMS, RefundForm
from registration.attention import amount_of
from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import format_money, places
from registration.refund_words import ended_because
from registration.sentences import cause_in_words
from registration.services.line_counts import can_be_counted, count_of
from registration.services.lines import lines_left, total_of
from registration.services.retries import left_to_try

REPEATING = ("expired_or_canceled_card", "lost_or_stolen_card")
"""Stripe's reasons for a failure that the same card brings about again."""
Destination = Refund.Destination


def opening_values(order: Order, failed: Refund) -> dict[str, Any]:
    """What is left of a failed refund, for its reason; not to a card on which it would fail again."""
    left = min(left_to_try(failed), order.refundable_amount)
    opening = {
        "note": failed.note,
        "retry_of": failed.pk,
        "reason": _reason_of(order, failed),
        **_how_much(failed, left),
    }
    if any(part.failure_reason in REPEATING for part in _failed_on_cards(failed)):
        opening["destination"] = Destination.CREDIT
    elif failed.destination in (Destination.CARD, Destination.CREDIT):
        opening["destination"] = failed.destination
    return {name: value for name, value in opening.items() if value}


def _how_much(failed: Refund, left: Decimal) -> dict[str, Any]:
    """The lines that it was for and how many of each, while exactly they are left; else the amount."""
    rows = {row.line_item.pk: row for row in lines_left(failed.order)}
    can_count = can_be_counted(failed.order, rows.values())
    counts = {}
    for line in failed.lines.all():
        row = rows[line.line_item_id]
        is_whole = row.left_amount == line.amount
        counts[line.line_item_id] = count_of(row, line.amount) if can_count or is_whole else 0
    if counts and all(counts.values()) and total_of(line.amount for line in failed.lines.all()) == left:
        return {"mode": ITEMS, "lines": list(counts)} | {f"count_{key}": count for key, count in counts.items()}
    return {"mode": CUSTOM, "amount": f"{left:.{places(failed.currency)}f}" if left else ""}


def _reason_of(order: Order, failed: Refund) -> str:
    """The choice that stands for its reason, as long as that is offered."""
    reasons = list(order.conference.refund_reasons.filter(is_active=True))
    if not reasons:
        return failed.stripe_reason
    same = [str(each.pk) for each in reasons if each.label == str(failed.reason)]
    return same[0] if same else ""


def _failed_on_cards(failed: Refund) -> list[RefundPart]:
    parts = failed.parts.filter(state=State.FAILED, channel=RefundPart.Channel.STRIPE)
    return list(parts.select_related("payment__credit"))


def again_context(form: RefundForm) -> dict[str, Any]:
    """What the panel says above its fields, and at the card that failed; nothing when nothing is tried again."""
    failed = form.again
    if failed is None:
        return {}
    left = left_to_try(failed)
    sentences = [_spent(item) for item in _spent_credit(failed)]
    if 0 < left < _came_back(failed):
        sentences.insert(0, _("%(left)s of it is left to try.") % {"left": format_money(left, failed.currency)})
    return {
        "again": failed,
        "again_title": _what_is_repeated(failed),
        "again_text": " ".join(sentences),
        "failed_cards": "; ".join(dict.fromkeys(map(_card_failed, _failed_on_cards(failed)))),
    }


def _came_back(failed: Refund) -> Decimal:
    amounts = failed.parts.filter(state__in=OVER).values_list("amount", flat=True)
    return sum(amounts, Decimal(0))


def _what_is_repeated(failed: Refund) -> str:
    values = {
        "amount": format_money(failed.amount, failed.currency),
        "day": date_format(timezone.localtime(failed.created_at), "DATE_FORMAT"),
    }
    if _came_back(failed) < failed.amount:
        text = _("Tries again what failed of the refund of %(amount)s of %(day)s") % values
    elif failed.state == State.FAILED:
        text = _("Tries again the refund of %(amount)s of %(day)s that failed") % values
    elif failed.state == State.CANCELED:
        text = _("Tries again the refund of %(amount)s of %(day)s that was cancelled") % values
    else:
        text = _("Tries again the refund of %(amount)s of %(day)s that was not approved") % values
    return f"{text}{_why(failed)}"


def _why(failed: Refund) -> str:
    reasons = dict.fromkeys(part.failure_reason for part in _failed_on_cards(failed) if part.failure_reason)
    causes = [cause_in_words(reason) for reason in reasons]
    if causes and not failed.refusal:
        return f": {', '.join(causes)}."
    ended = ended_because(failed)
    return f". {ended}" if ended else "."


def _card_failed(part: RefundPart) -> str:
    values = {"card": part.payment.instrument, "cause": cause_in_words(part.failure_reason)}
    if not part.failure_reason:
        return _("%(card)s failed") % values
    return _("%(card)s failed: %(cause)s") % values


def _spent_credit(failed: Refund) -> list[OpenItem]:
    return list(failed.open_items.unresolved().filter(kind=OpenItem.Kind.CREDIT_SPENT).select_related("conference"))


def _spent(item: OpenItem) -> str:
    return _("%(amount)s of the credit that came with it was spent already, and the attendee keeps that.") % {
        "amount": amount_of(item)
    }
