"""Issues, adjusts, extends, voids and expires store credit; each movement is an entry with actor and reason."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import Conference, Credit, CreditEntry, Order
from registration.money import format_money, is_expressible
from registration.services.credit_notes import end, new_expiry
from registration.services.errors import CreditIssuedBefore, RefundError, StaleCredit
from registration.services.history import record
from registration.services.planner import check_amount


class CreditService:
    """What staff do to credits apart from refunds and payments."""

    @staticmethod
    @transaction.atomic
    def issue(
        user: Any,
        conference: Conference,
        *,
        amount: Decimal,
        reason: str,
        staff_user: Any,
        source_order: Order | None = None,
        expires_at: datetime | None = None,
        nonce: str | None = None,
    ) -> Credit:
        """Give goodwill credit. It never lowers what can be refunded, even when tied to an order.

        Args:
            user: The attendee.
            conference: Where it can be spent; gives the currency.
            amount: In the conference's currency, major units.
            reason: Why, in words the next colleague will read.
            staff_user: Who decided it.
            source_order: The order it is a gesture for.
            expires_at: When it ends; the conference's policy when left out.
            nonce: One form, one gift.

        Raises:
            RefundError: The amount cannot be, or no reason was given.
            CreditIssuedBefore: ``nonce`` was used; carries the credit it issued.
        """
        check_amount(amount, conference.currency)
        _check_reason(reason)
        if expires_at is not None and expires_at <= timezone.now():
            raise RefundError(_("The expiry must be in the future."))
        if nonce and (earlier := Credit.objects.filter(nonce=nonce).first()):
            raise _issued_before(earlier)
        if source_order is not None:
            source_order = Order.objects.select_for_update(no_key=True).get(pk=source_order.pk)
        try:
            with transaction.atomic():
                credit = Credit.objects.create(
                    user=user,
                    conference=conference,
                    currency=conference.currency,
                    kind=Credit.Kind.GOODWILL,
                    amount=amount,
                    source_order=source_order,
                    note=reason,
                    issued_by=staff_user,
                    expires_at=expires_at or new_expiry(conference),
                    nonce=nonce,
                )
        except IntegrityError:
            if not nonce:
                raise
            raise _issued_before(Credit.objects.get(nonce=nonce)) from None
        _tell(credit, "credit_issued", staff_user, amount, reason)
        return credit

    @staticmethod
    @transaction.atomic
    def adjust(
        credit: Credit, *, amount: Decimal, reason: str, staff_user: Any, left_seen: Decimal | None = None
    ) -> Credit:
        """Add to a credit or take from it.

        Args:
            credit: Only its key is trusted.
            amount: Signed, in the credit's currency.
            reason: Why.
            staff_user: Who.
            left_seen: What was left when the operator looked.

        Raises:
            RefundError: The credit has ended, would go below zero, or no reason was given.
            StaleCredit: Something moved since the operator looked.
        """
        _check_reason(reason)
        fresh = _lock(credit)
        if left_seen is not None and left_seen != fresh.remaining_amount:
            now = format_money(fresh.remaining_amount, fresh.currency)
            raise StaleCredit(_("This credit changed since you opened it: %(now)s is left now.") % {"now": now})
        if fresh.status not in (Credit.Status.AVAILABLE, Credit.Status.APPLIED):
            raise RefundError(_("This credit has ended and cannot be adjusted. Issue a new one."))
        if not is_expressible(amount, fresh.currency) or amount == 0:
            raise RefundError(_("Enter an amount other than zero that the currency can express."))
        if fresh.remaining_amount + amount < 0:
            raise RefundError(_("There is less left on this credit than you want to take."))
        CreditEntry.objects.create(
            credit=fresh, kind=CreditEntry.Kind.ADJUSTED, amount=amount, actor=staff_user, reason=reason
        )
        fresh.refresh_from_db()
        fresh.status = Credit.Status.AVAILABLE if fresh.remaining_amount else Credit.Status.APPLIED
        fresh.save(update_fields=["status", "updated_at"])
        _tell(fresh, "credit_adjusted", staff_user, amount, reason)
        return fresh

    @staticmethod
    @transaction.atomic
    def void(credit: Credit, *, reason: str, staff_user: Any) -> Credit:
        """Take what is left off a credit for good.

        Raises:
            RefundError: Nothing is left, or no reason was given.
        """
        _check_reason(reason)
        fresh = _lock(credit)
        if fresh.status != Credit.Status.AVAILABLE or fresh.remaining_amount <= 0:
            raise RefundError(_("This credit has nothing left to void."))
        left = fresh.remaining_amount
        end(fresh, CreditEntry.Kind.VOIDED, Credit.Status.VOIDED, actor=staff_user, reason=reason)
        _tell(fresh, "credit_voided", staff_user, left, reason)
        return fresh

    @staticmethod
    @transaction.atomic
    def extend(credit: Credit, *, expires_at: datetime | None, reason: str, staff_user: Any) -> Credit:
        """Let a credit last longer; ``None`` means it no longer expires.

        Raises:
            RefundError: The credit has ended, the date has passed, or no reason was given.
        """
        _check_reason(reason)
        fresh = _lock(credit)
        if fresh.status != Credit.Status.AVAILABLE:
            raise RefundError(_("This credit has ended and cannot be extended. Issue a new one."))
        if expires_at is not None and expires_at <= timezone.now():
            raise RefundError(_("The expiry must be in the future."))
        fresh.expires_at = expires_at
        fresh.save(update_fields=["expires_at", "updated_at"])
        _tell(fresh, "credit_extended", staff_user, fresh.remaining_amount, reason)
        return fresh

    @staticmethod
    def expire_due(limit: int | None = None) -> int:
        """End every credit whose time has come; returns how many."""
        due = Credit.objects.filter(status=Credit.Status.AVAILABLE, expires_at__lte=timezone.now())
        return sum(_expire(key) for key in list(due.order_by("pk").values_list("pk", flat=True)[:limit]))


@transaction.atomic
def _expire(key: int) -> bool:
    credit = _lock(Credit.objects.get(pk=key))
    due = credit.expires_at is not None and credit.expires_at <= timezone.now()
    if credit.status != Credit.Status.AVAILABLE or not due:
        return False
    left = credit.remaining_amount
    end(credit, CreditEntry.Kind.EXPIRED, Credit.Status.EXPIRED)
    _tell(credit, "credit_expired", None, left, "")
    return True


def _lock(credit: Credit) -> Credit:
    """Lock the order that the credit's history belongs to, then the credit: the same order of locks everywhere."""
    if credit.source_order_id is not None:
        Order.objects.select_for_update(no_key=True).get(pk=credit.source_order_id)
    return Credit.objects.select_for_update(no_key=True).get(pk=credit.pk)


def _issued_before(credit: Credit) -> CreditIssuedBefore:
    return CreditIssuedBefore(_("This form was sent before, and its credit was issued then."), credit)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise RefundError(_("Say why; the next colleague will read it."))


def _tell(credit: Credit, kind: str, actor: Any, amount: Decimal, reason: str) -> None:
    """Add to the history of the order a credit is tied to; its own entries tell the rest."""
    if credit.source_order is not None:
        facts = {"amount": amount, "currency": credit.currency, "credit": credit.number, "reason": reason}
        record(credit.source_order, kind, actor=actor, facts=facts)
