"""Moves money back to attendees: to the card, into credit, and from credit into payment.

The three steps of a refund are in ``money.md``: decide (here), send (``sending``), record (``settle``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import (
    Credit,
    OpenItem,
    Order,
    Payment,
    Refund,
    RefundLine,
    RefundPart,
    RefundReason,
)
from registration.models.refund import OVER, RESERVING, State
from registration.money import ZERO, format_money
from registration.services.approval import ask_for_approval, waiting_words
from registration.services.begin import begin
from registration.services.credit_payment import pay_from_credits
from registration.services.errors import (
    DuplicateSubmit,
    RefundError,
    RefundHeld,
    RefundProposed,
    RefundRefused,
    RefundUnconfirmed,
    StaleBalance,
)
from registration.services.history import record
from registration.services.limits import one_at_a_time, why_above_limit
from registration.services.lines import line_item_balances
from registration.services.planner import RefundPlan, plan_refund
from registration.services.sending import send_part

Channel = RefundPart.Channel
Destination = Refund.Destination


class RefundService:
    """The published interface; stateless, callable from a request, a shell, a task or another project."""

    @staticmethod
    def create_refund(
        order: Order,
        *,
        amount: Decimal,
        reason: str = "requested_by_customer",
        staff_user: Any = None,
        destination: str = Destination.CARD_AND_CREDIT,
        credit_amount: Decimal | None = None,
        fee_amount: Decimal = ZERO,
        note: str = "",
        internal_reason: str = "",
        line_amounts: Mapping[int, Decimal] | None = None,
        nonce: str | None = None,
        balance_seen: Decimal | None = None,
        retry_of: Refund | None = None,
        after_end: bool = False,
        propose: bool = False,
        hold_seconds: int = 0,
    ) -> Credit:
        """Give some or all of what an order paid back, and issue the credit note.

        Commits its decision before anything is sent, so it cannot run inside a transaction of the caller's.

        Args:
            order: Only its key is trusted; the row is read again under a lock.
            amount: What is asked back, in the order's currency, major units (``Decimal("12.50")``).
            reason: One of Stripe's reasons; any other text is kept as the internal reason.
            staff_user: Who decided it; recorded on the credit note.
            destination: A value of ``Refund.Destination``. Nothing said means card and matching credit.
            credit_amount: For SPLIT: how much of what goes out becomes store credit.
            fee_amount: Kept back from ``amount``.
            note: For colleagues; goes into the history.
            internal_reason: The house reason, as its label reads.
            line_amounts: How much of ``amount`` is for which line item, by key.
            nonce: One form, one refund: the second call with the same one finds the first's result.
            balance_seen: The refundable balance that the operator saw.
            retry_of: The failed refund that this one tries again.
            after_end: Also what a refunded or cancelled order still holds (paid late, or above its total).
            propose: Above the limit of ``staff_user``, reserve the sum and ask a second person instead of refusing.
            hold_seconds: How long it can be undone before anything is sent; somebody then calls ``release_refund``.

        Returns:
            The new credit note: AVAILABLE, or PAID_OUT with nothing left to spend when only the card was refunded.

        Raises:
            RefundError: Not refundable, not by this amount, or stale. Nothing changed.
            DuplicateSubmit: ``nonce`` was used; carries the first refund.
            RefundRefused: Stripe refused; no money moved.
            RefundProposed: With ``propose``: it waits for a second person.
            RefundHeld: With ``hold_seconds``: it waits to be sent.
            RefundUnconfirmed: No answer to trust; the sum stays reserved and is being verified.
            RuntimeError: Called inside a transaction of the caller's.
        """
        stripe_reason, house_reason = _reasons(reason, internal_reason)
        nonce = nonce or None
        try:
            with transaction.atomic(durable=True):
                fresh = _lock(order, nonce=nonce, balance_seen=balance_seen)
                plan = plan_refund(
                    fresh,
                    amount=amount,
                    destination=destination,
                    credit_amount=credit_amount,
                    fee_amount=fee_amount,
                    after_end=after_end,
                )
                above = _check_limit(fresh, plan, staff_user, propose=propose)
                _check_lines(fresh, line_amounts or {}, amount)
                _check_retry(fresh, retry_of)
                refund = Refund.objects.create(
                    order=fresh,
                    amount=plan.amount,
                    currency=plan.currency,
                    fee_amount=plan.fee_amount,
                    destination=plan.destination,
                    stripe_reason=stripe_reason,
                    reason=house_reason,
                    note=note,
                    nonce=nonce,
                    retry_of=retry_of,
                    requested_by=staff_user,
                    state=State.AWAITING_APPROVAL if above else State.REQUESTED,
                    hold_until=_hold_until(0 if above else hold_seconds),
                )
                _write_parts(fresh, refund, plan, line_amounts or {})
        except IntegrityError as error:
            raise _explained(error, nonce) from error
        for part in refund.parts.filter(channel=Channel.STRIPE, state=State.REQUESTED).order_by("pk"):
            send_part(part)
        order.refresh_from_db()
        return _result(refund)

    @staticmethod
    def apply_credit_as_refund(credit: Credit, target_order: Order, *, staff_user: Any = None) -> Payment:
        """Pay a pending order from a credit: as much as the credit has and the order needs.

        Args:
            credit: Only its key is trusted; the row is read again under a lock.
            target_order: Likewise.
            staff_user: Who did it.

        Returns:
            The CREDIT payment, SUCCEEDED.

        Raises:
            RefundError: The credit cannot be spent, the order cannot be paid, or they do not belong together.
        """
        payment = pay_from_credits([credit], target_order, staff_user=staff_user)[0]
        credit.refresh_from_db()
        return payment

    @staticmethod
    def apply_credits(
        credits: Sequence[Credit],
        target_order: Order,
        *,
        staff_user: Any,
        amount: Decimal | None = None,
        balance_seen: Decimal | None = None,
    ) -> list[Payment]:
        """Pay a pending order from several credits, the one that expires first in front.

        Args:
            credits: Of the order's attendee and conference.
            target_order: Pending.
            staff_user: Who did it.
            amount: At most this much, in the order's currency; everything due when left out.
            balance_seen: The amount due that the operator saw.

        Raises:
            RefundError: As for one credit; nothing changed.
            StaleBalance: Something else was paid since the operator looked.
        """
        return pay_from_credits(credits, target_order, staff_user=staff_user, amount=amount, balance_seen=balance_seen)


def _reasons(reason: str, internal_reason: str) -> tuple[str, str]:
    """Split what was said into Stripe's reason and ours."""
    if reason in RefundReason.StripeReason.values:
        return reason, internal_reason
    return RefundReason.StripeReason.REQUESTED_BY_CUSTOMER, internal_reason or reason[:200]


def _lock(order: Order, *, nonce: str | None, balance_seen: Decimal | None) -> Order:
    """Lock the order and its payments, and refuse a form that was sent before or shows old numbers."""
    fresh = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("conference").get(pk=order.pk)
    list(fresh.payments.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    if nonce and (earlier := Refund.objects.filter(nonce=nonce).first()):
        raise _duplicate(earlier)
    if balance_seen is not None and balance_seen != fresh.refundable_amount:
        raise StaleBalance(
            _("The order changed since you opened it: %(now)s can be refunded now, not %(seen)s.")
            % {
                "now": format_money(fresh.refundable_amount, fresh.currency),
                "seen": format_money(balance_seen, fresh.currency),
            },
            fresh,
        )
    if OpenItem.objects.not_in_the_books(fresh).exists():
        # The balance does not know of it, so that it could be paid out a second time.
        raise RefundError(_("Money of this order went back at Stripe and is not in the books. Settle that item first."))
    return fresh


def _duplicate(earlier: Refund) -> DuplicateSubmit:
    return DuplicateSubmit(_("This form was already sent. Below is what it did."), earlier)


def _explained(error: IntegrityError, nonce: str | None) -> RefundError:
    """The sentence for what the database refused."""
    if nonce and (earlier := Refund.objects.filter(nonce=nonce).first()):
        return _duplicate(earlier)
    return RefundError(_("Someone else refunded this order at the same moment. Reload it and check."))


def _check_limit(order: Order, plan: RefundPlan, staff_user: Any, *, propose: bool) -> bool:
    """Whether a second person has to decide; refuse what is above the limit and not meant as a proposal."""
    one_at_a_time(order.conference, staff_user)
    above = why_above_limit(order, plan.total_out, staff_user)
    if above and not propose:
        raise RefundError(above)
    return bool(above)


def _hold_until(seconds: int) -> datetime | None:
    return timezone.now() + timedelta(seconds=seconds) if seconds > 0 else None


def _check_lines(order: Order, line_amounts: Mapping[int, Decimal], amount: Decimal) -> None:
    """Line items must be the order's own, have enough left, and add up to what is asked."""
    if not line_amounts:
        return
    left = line_item_balances(order)
    for key, wanted in line_amounts.items():
        if key not in left or not ZERO < wanted <= left[key]:
            raise RefundError(_("A selected line item has less left than was selected. Reload the order."))
    if sum(line_amounts.values(), ZERO) != amount:
        raise RefundError(_("The selected line items do not add up to the amount."))


def _check_retry(order: Order, failed: Refund | None) -> None:
    """A retry settles what is open about a failure, so it must be of one, on the same order."""
    if failed is None:
        return
    if failed.order_id != order.pk:
        raise RefundError(_("The refund to try again belongs to another order."))
    if not failed.parts.filter(state__in=OVER).exists():
        raise RefundError(_("%(number)s did not fail, so there is nothing to try again.") % {"number": failed.number})


def _write_parts(order: Order, refund: Refund, plan: RefundPlan, line_amounts: Mapping[int, Decimal]) -> None:
    """Reserve the sum: from here on a row says what is about to happen."""
    for planned in plan.parts:
        RefundPart.objects.create(
            refund=refund,
            payment=planned.payment,
            channel=planned.channel,
            amount=planned.amount,
            currency=order.currency,
            state=refund.state,
        )
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, line_item_id=key, amount=wanted) for key, wanted in line_amounts.items()
    )
    is_proposal = refund.state == State.AWAITING_APPROVAL
    kind = "refund_proposed" if is_proposal else "refund_requested"
    record(order, kind, actor=refund.requested_by, refund=refund, facts=_request_facts(refund, plan))
    if is_proposal:
        ask_for_approval(order, refund)
    elif not refund.is_held:
        begin(order, refund)


def _request_facts(refund: Refund, plan: RefundPlan) -> dict[str, Any]:
    facts = {
        "number": refund.number,
        "amount": refund.amount,
        "currency": refund.currency,
        "destination": refund.destination,
        "refundable": plan.refundable_after,
        "reason": refund.reason,
        "note": refund.note,
    }
    return facts | ({"fee": refund.fee_amount} if refund.fee_amount else {})


def _result(refund: Refund) -> Credit:
    """The credit note of a refund that was accepted, or the sentence for one that was not."""
    refund.refresh_from_db()
    if refund.state == State.AWAITING_APPROVAL:
        raise RefundProposed(waiting_words(refund), refund)
    if refund.is_held:
        raise RefundHeld(_("%(number)s is sent in a moment; until then it can be undone.") % {"number": refund}, refund)
    if refund.state in RESERVING:
        raise RefundUnconfirmed(
            _("%(number)s is being verified with Stripe; do not send it again. The amount stays reserved.")
            % {"number": refund.number},
            refund,
        )
    if refund.state in OVER:
        raise RefundRefused(refund.refusal or _("Stripe refused the refund. No money moved."), refund)
    note = refund.credits.order_by("status", "pk").first()
    return note or Credit.objects.get(pk=refund.parts.filter(credit__isnull=False).values("credit")[:1])
