"""What a refund does to credits: the note that records it, what goes back, and what is withdrawn when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from registration.models import Conference, Credit, CreditEntry, OpenItem, Order, Refund, RefundPart
from registration.models.refund import ACCEPTED
from registration.money import ZERO
from registration.services.history import record
from registration.services.open_items import open_item

Channel = RefundPart.Channel
Destination = Refund.Destination


def new_expiry(conference: Conference) -> datetime | None:
    """When a credit issued now ends by the conference's policy; ``None`` when it does not."""
    days = conference.credit_validity_days
    return timezone.now() + timedelta(days=days) if days else None


def issue_credit_notes(order: Order, refund: Refund, accepted: Sequence[RefundPart]) -> None:
    """Write the credit notes of a refund once every part of it was decided; a second call changes nothing."""
    if refund.source == Refund.Source.EXTERNAL or refund.credits.exists():
        return
    sent_back = _sum(accepted, Channel.STRIPE, Channel.MANUAL)
    to_credit = _sum(accepted, Channel.STORE_CREDIT)
    if to_credit:
        credit = _note(order, refund, to_credit, Credit.Status.AVAILABLE, Credit.Kind.REFUND)
        for part in accepted:
            if part.channel == Channel.STORE_CREDIT:
                part.credit = credit
                part.save(update_fields=["credit"])
    if sent_back and refund.destination == Destination.CARD_AND_CREDIT:
        _note(order, refund, sent_back, Credit.Status.AVAILABLE, Credit.Kind.GOODWILL)
    elif sent_back:
        _note(order, refund, sent_back, Credit.Status.PAID_OUT, Credit.Kind.REFUND)


def _sum(parts: Sequence[RefundPart], *channels: str) -> Decimal:
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
        part.credit = Credit.objects.create(
            user_id=order.user_id,
            conference_id=order.conference_id,
            currency=order.currency,
            amount=part.amount,
            source_order=order,
            refund=part.refund,
            note=part.refund.note,
            issued_by_id=part.refund.requested_by_id,
            expires_at=new_expiry(order.conference),
        )
        return
    credit = Credit.objects.select_for_update().get(pk=part.payment.credit_id)
    restore(
        credit,
        part.amount,
        order=order,
        payment_id=part.payment_id,
        actor_id=part.refund.requested_by_id,
        reason=part.refund.number,
    )
    part.credit = credit


def restore(
    credit: Credit, amount: Decimal, *, order: Order, payment_id: int, actor_id: int | None, reason: str
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


def withdraw_credit_notes(order: Order, refund: Refund) -> None:
    """A card refund failed after it was accepted: void what came with it, or open an item if it was spent."""
    if refund.parts.filter(channel__in=[Channel.STRIPE, Channel.MANUAL], state__in=ACCEPTED).exists():
        return
    for credit in refund.credits.select_for_update().order_by("pk"):
        if credit.status == Credit.Status.PAID_OUT:
            credit.status = Credit.Status.VOIDED
            credit.save(update_fields=["status", "updated_at"])
        elif credit.kind == Credit.Kind.GOODWILL:
            _withdraw_matching(order, refund, credit)


def _withdraw_matching(order: Order, refund: Refund, credit: Credit) -> None:
    if credit.status == Credit.Status.AVAILABLE and credit.remaining_amount == credit.amount:
        end(credit, CreditEntry.Kind.VOIDED, Credit.Status.VOIDED, order=order, reason=f"{refund.number} failed")
        facts = {"amount": credit.amount, "currency": credit.currency, "credit": credit.number}
        record(order, "credit_voided", refund=refund, facts=facts)
        return
    open_item(
        OpenItem.Kind.CREDIT_SPENT,
        f"credit:{credit.pk}",
        conference=order.conference,
        order=order,
        refund=refund,
        facts={"amount": str(credit.amount - credit.remaining_amount), "currency": credit.currency},
    )


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
