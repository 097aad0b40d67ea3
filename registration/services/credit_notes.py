"""What a refund does to credits: the note that records it, what goes back, and what is withdrawn when it fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from registration.models import Conference, Credit, CreditEntry, OpenItem, Order, Refund, RefundPart
from registration.models.refund import NOTED, State
from registration.money import ZERO
from registration.said import Sentence, say
from registration.services.history import record
from registration.services.open_items import open_item

Channel = RefundPart.Channel
Destination = Refund.Destination
CALLED_OFF = "called_off"
"""Why credit was withdrawn, or a failure opened again, when nothing failed: nobody made the transfer."""


def new_expiry(conference: Conference) -> datetime | None:
    """When a credit issued now ends by the conference's policy; ``None`` when it does not."""
    days = conference.credit_validity_days
    return timezone.now() + timedelta(days=days) if days else None


def issue_credit_notes(order: Order, refund: Refund, decided: Sequence[RefundPart]) -> None:
    """Write the credit notes of a refund once every part of it was decided; a second call changes nothing."""
    gone_back = RefundPart.objects.filter(refund=refund, channel=Channel.CREDIT_RETURN, credit__isnull=False)
    noted = refund.credits.exclude(pk__in=gone_back.values("credit"))
    if refund.source == Refund.Source.EXTERNAL or noted.exists():
        return
    sent_back = _sum(decided, Channel.STRIPE, Channel.MANUAL)
    to_credit = _sum(decided, Channel.STORE_CREDIT)
    if to_credit:
        credit = _note(order, refund, to_credit, Credit.Status.AVAILABLE, Credit.Kind.REFUND)
        for part in decided:
            if part.channel == Channel.STORE_CREDIT:
                part.credit = credit
                part.save(update_fields=["credit"])
    if sent_back and refund.destination == Destination.CARD_AND_CREDIT:
        _note(order, refund, sent_back, Credit.Status.AVAILABLE, Credit.Kind.GOODWILL)
    elif sent_back:
        _note(order, refund, sent_back, Credit.Status.PAID_OUT, Credit.Kind.REFUND)


def _sum(parts: Iterable[RefundPart], *channels: str) -> Decimal:
    return sum((part.amount for part in parts if part.channel in channels), ZERO)


def _note(order: Order, refund: Refund, amount: Decimal, status: str, kind: str) -> Credit:
    spendable = status == Credit.Status.AVAILABLE
    credit = Credit.objects.create(
        user_id=order.user_id,
        conference_id=order.conference_id,
        currency=order.currency,
        kind=kind,
        amount=amount,
        remaining_amount=amount if spendable else ZERO,
        status=status,
        source_order=order,
        refund=refund,
        note=refund.note,
        issued_by_id=refund.requested_by_id,
        expires_at=new_expiry(order.conference) if spendable else None,
    )
    if spendable:
        facts = {"amount": amount, "currency": order.currency, "credit": credit.number}
        record(order, "credit_issued", actor=refund.requested_by, refund=refund, facts=facts)
    return credit


def return_to_credit(order: Order, part: RefundPart) -> None:
    """Give a part that was paid by credit back to that credit; an ended one becomes spendable again."""
    if part.payment.credit_id is None:
        refund = part.refund
        part.credit = replacement(
            order, part.amount, note=refund.note, actor_id=refund.requested_by_id, source_order=order, refund=refund
        )
        return
    credit = Credit.objects.select_for_update(no_key=True).get(pk=part.payment.credit_id)
    restore(
        credit,
        part.amount,
        order=order,
        payment_id=part.payment_id,
        actor_id=part.refund.requested_by_id,
        reason=part.refund.number,
    )
    part.credit = credit


def replacement(order: Order, amount: Decimal, *, note: Sentence, actor_id: int | None, **origin: Any) -> Credit:
    """A new credit for the attendee of an order that was paid by one nobody knows any more."""
    return Credit.objects.create(
        user_id=order.user_id,
        conference_id=order.conference_id,
        currency=order.currency,
        amount=amount,
        note=note,
        issued_by_id=actor_id,
        expires_at=new_expiry(order.conference),
        **origin,
    )


def restore(
    credit: Credit, amount: Decimal, *, order: Order, payment_id: int, actor_id: int | None, reason: Sentence
) -> None:
    """Add ``amount`` back to a locked credit and make it spendable."""
    CreditEntry.objects.create(
        credit=credit,
        kind=CreditEntry.Kind.RESTORED,
        amount=amount,
        order=order,
        payment_id=payment_id,
        actor_id=actor_id,
        reason=reason,
    )
    credit.refresh_from_db()
    if credit.expires_at is not None and credit.expires_at <= timezone.now():
        credit.expires_at = new_expiry(credit.conference)
    credit.status = Credit.Status.AVAILABLE
    credit.save(update_fields=["status", "expires_at", "updated_at"])


def withdraw_credit_notes(order: Order, part: RefundPart) -> None:
    """A part failed after it was noted: take back what came with it, or open an item for what was spent."""
    refund = part.refund
    still_out = _sum(refund.parts.filter(state__in=NOTED), Channel.STRIPE, Channel.MANUAL)
    for credit in refund.credits.select_for_update(no_key=True).order_by("pk"):
        if credit.status == Credit.Status.PAID_OUT:
            credit.status = Credit.Status.VOIDED
            credit.save(update_fields=["status", "updated_at"])
            if still_out:  # A note never changes; another records what is left of it.
                _note(order, refund, still_out, Credit.Status.PAID_OUT, credit.kind)
        elif credit.kind == Credit.Kind.GOODWILL:
            _withdraw_matching(order, part, credit)


def _withdraw_matching(order: Order, part: RefundPart, credit: Credit) -> None:
    """Take the part's share off the gift; what of it was spent cannot be taken, and staff see it."""
    taken = min(part.amount, credit.remaining_amount)
    spent = min(part.amount - taken, used_and_not_shown(credit))
    if taken:
        CreditEntry.objects.create(
            credit=credit,
            kind=CreditEntry.Kind.VOIDED,
            amount=-taken,
            order=order,
            reason=say("called_off_of" if is_called_off(part) else "refund_failed", number=part.refund.number),
        )
        credit.refresh_from_db()
        credit.status = credit.status if credit.remaining_amount else Credit.Status.VOIDED
        credit.save(update_fields=["status", "updated_at"])
        facts = {"amount": taken, "currency": credit.currency, "credit": credit.number}
        record(order, "credit_voided", refund=part.refund, facts=facts)
    if spent:
        open_item(
            OpenItem.Kind.CREDIT_SPENT,
            f"credit:{credit.pk}:part:{part.pk}",
            conference=order.conference,
            order=order,
            refund=part.refund,
            facts={"amount": str(spent), "currency": credit.currency}
            | ({"why": CALLED_OFF} if is_called_off(part) else {}),
        )


def is_called_off(part: RefundPart) -> bool:
    """Whether it was a transfer that nobody made."""
    return part.channel == Channel.MANUAL and part.state == State.CANCELED


def used_of(credit: Credit) -> Decimal:
    """What orders took of a credit and did not give back."""
    kinds = [CreditEntry.Kind.APPLIED, CreditEntry.Kind.RESTORED]
    return -sum(credit.entries.filter(kind__in=kinds).values_list("amount", flat=True), ZERO)


def used_and_not_shown(credit: Credit) -> Decimal:
    """What orders took of a credit, less what items about it say already: each cent is borne once."""
    items = OpenItem.objects.filter(
        conference=credit.conference_id, kind=OpenItem.Kind.CREDIT_SPENT, subject__startswith=f"credit:{credit.pk}:"
    )
    shown = sum((Decimal(facts["amount"]) for facts in items.values_list("facts", flat=True)), ZERO)
    return max(ZERO, used_of(credit) - shown)


def end(
    credit: Credit, kind: str, status: str, *, order: Order | None = None, actor: object = None, reason: str = ""
) -> None:
    """Take what is left off a locked credit, as expired or voided."""
    if credit.remaining_amount:
        CreditEntry.objects.create(
            credit=credit,
            kind=kind,
            amount=-credit.remaining_amount,
            order=order,
            actor_id=getattr(actor, "pk", None),
            reason=reason,
        )
    credit.status = status
    credit.save(update_fields=["status", "updated_at"])
    credit.refresh_from_db()
