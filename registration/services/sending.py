"""The second step of a refund: one Stripe call per part, with no transaction and no lock held."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta

from django.db.models import DateTimeField, F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from registration.models import RefundPart
from registration.models.refund import UNDECIDED, State
from registration.said import say
from registration.services.settle import apply_snapshot, move_part, waits_for_balance
from registration.services.shortage import keep_shortage
from registration.stripe_gateway import (
    StripeBusy,
    StripeGateway,
    StripeProblem,
    StripeRefused,
    StripeUnavailable,
    gateway_for,
)
from registration.stripe_snapshots import RefundSnapshot

KEY_IS_SAFE_FOR = timedelta(hours=23)
"""Stripe may forget an idempotency key after 24 hours; sending it again later could pay twice."""
BUSY_PAUSES = (0.2, 0.5)


def send_part(part: RefundPart) -> RefundPart:
    """Bring one part to Stripe, or find out what became of it, and record the answer.

    Safe to call again at any time and from several processes: the key is the part's own.

    Returns:
        The part as it now stands.
    """
    part = RefundPart.objects.select_related("refund__order__conference", "payment").get(pk=part.pk)
    if part.state not in (State.REQUESTED, State.UNCONFIRMED) or part.refund.hold_until is not None:
        return part
    try:
        gateway = gateway_for(part.refund.order.conference)
        if _key_is_safe(part):
            _send(gateway, part)
        else:
            _look_up(gateway, part, send_if_never_sent=True)
    except StripeBusy as problem:
        _remember(part, problem)  # Not done by this call; the resolver sends the same key again.
    except StripeRefused as refusal:
        if _may_have_happened(part):
            _remember(part, refusal)
        else:
            _refuse(part, refusal)
    except StripeUnavailable as problem:
        _remember(part, problem)
        move_part(part, State.UNCONFIRMED, stripe_request_id=problem.request_id)
    part.refresh_from_db()
    if waits_for_balance(part):
        keep_shortage(part.refund.order.conference)
    return part


def _remember(part: RefundPart, problem: StripeProblem) -> None:
    """Keep why it is not settled yet, for staff who wonder."""
    RefundPart.objects.filter(pk=part.pk).update(last_problem=problem.advice)


def _key_is_safe(part: RefundPart) -> bool:
    since: datetime = part.sent_at or part.created_at
    return timezone.now() - since < KEY_IS_SAFE_FOR


def _send(gateway: StripeGateway, part: RefundPart) -> None:
    """Send under the part's key; where the answer does not settle it, look the refund up."""
    if not _claim(part):
        return
    try:
        apply_snapshot(part, _patiently(gateway, part))
    except StripeRefused as refusal:
        if _may_have_happened(part) or refusal.code == "charge_already_refunded":
            _look_up(gateway, part, refusal=refusal)
        else:
            raise
    except StripeUnavailable as problem:
        if not (problem.was_replayed or problem.code == "idempotency_error"):
            raise
        # Stripe keeps giving this answer, so what it did is seen only in its list.
        _look_up(gateway, part, refusal=problem)


def _claim(part: RefundPart) -> bool:
    """Mark the part as sent, unless it was cancelled, ended or grew old since it was read; now nobody cancels it.

    One statement decides, against the one in ``undo`` that cancels what was never marked. It looks at the key's age as
    well: this process may have slept since it read the part, while another one sent it.
    """
    now = timezone.now()
    is_safe = Q(sent_at__isnull=True) | Q(sent_at__gt=now - KEY_IS_SAFE_FOR)
    open_parts = RefundPart.objects.filter(is_safe, pk=part.pk, state__in=(State.REQUESTED, State.UNCONFIRMED))
    first = Coalesce("sent_at", Value(now, output_field=DateTimeField()))
    claimed = bool(open_parts.update(sent_at=first, attempts=F("attempts") + 1))
    part.attempts += claimed
    return claimed


def _may_have_happened(part: RefundPart) -> bool:
    """Whether it was sent before this try, or by another process since it was read; then a refusal says little."""
    return part.sent_at is not None or RefundPart.objects.filter(pk=part.pk, attempts__gt=part.attempts).exists()


def _patiently(gateway: StripeGateway, part: RefundPart) -> RefundSnapshot:
    """Send, pausing a little when Stripe is busy; jitter keeps many senders from returning at once."""
    for pause_seconds in BUSY_PAUSES:
        try:
            return gateway.send_refund(part)
        except StripeBusy:
            time.sleep(pause_seconds * (1 + random.random()))  # noqa: S311
    return gateway.send_refund(part)


def _look_up(
    gateway: StripeGateway,
    part: RefundPart,
    *,
    refusal: StripeProblem | None = None,
    send_if_never_sent: bool = False,
) -> None:
    """Find the part's refund by its metadata; when Stripe truly has none, end it."""
    try:
        snapshot = gateway.find_refund(part)
    except StripeRefused as unanswered:  # A refused question says nothing about the refund.
        raise StripeUnavailable(unanswered.advice, code=unanswered.code) from unanswered
    if snapshot is not None:
        apply_snapshot(part, snapshot)
    elif send_if_never_sent and part.sent_at is None:
        _send(gateway, part)
    else:
        advice = refusal.advice if refusal else say("never_received")
        _refuse(part, StripeRefused(advice, code=refusal.code if refusal else ""))


def _refuse(part: RefundPart, refusal: StripeProblem) -> None:
    """End the part as failed: no money moved. What Stripe accepted meanwhile is not undone by our late news."""
    move_part(
        part,
        State.FAILED,
        only_from=UNDECIDED,
        refusal=refusal.advice,
        failure_reason=refusal.code or "refused",
        stripe_request_id=refusal.request_id,
    )
