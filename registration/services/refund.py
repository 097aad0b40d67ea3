"""Moves money back to attendees: to the card, into credit, and from credit into payment.

The three steps of a refund are in ``money.md``: decide (``decide``), send (``sending``), record (``settle``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from registration.models import (
    Credit,
    OpenItem,
    Order,
    Payment,
    Refund,
    RefundPart,
    RefundReason,
)
from registration.models.refund import OVER, UNDECIDED, State
from registration.money import ZERO
from registration.said import Sentence, say
from registration.services.approval import waiting_words
from registration.services.credit_payment import pay_from_credits
from registration.services.decide import decide
from registration.services.errors import (
    RefundHeld,
    RefundProposed,
    RefundRefused,
    RefundUnconfirmed,
)
from registration.services.sending import send_part
from registration.services.surplus import payment_of

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
        internal_reason: Sentence = "",
        line_amounts: Mapping[int, Decimal] | None = None,
        nonce: str | None = None,
        balance_seen: Decimal | None = None,
        retry_of: Refund | None = None,
        after_end: bool = False,
        propose: bool = False,
        hold_seconds: int = 0,
        payment: Payment | None = None,
        for_item: OpenItem | None = None,
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
            payment: Only what this payment brought; all of the order's when left out.
            for_item: The item about money paid too much that it settles; at most what is left of that goes back.

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
        asked = {
            "amount": amount,
            "destination": destination,
            "credit_amount": credit_amount,
            "fee_amount": fee_amount,
            "after_end": after_end,
            "payment": payment or payment_of(for_item),
        }
        columns = {"note": note, "nonce": nonce or None, "retry_of": retry_of, "requested_by": staff_user}
        refund = decide(
            order,
            asked,
            columns | _reasons(reason, internal_reason),
            line_amounts or {},
            balance_seen=balance_seen,
            propose=propose,
            hold_seconds=hold_seconds,
            for_item=for_item,
        )
        _send(refund)
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


def _reasons(reason: str, internal_reason: Sentence) -> dict[str, Any]:
    """Split what was said into Stripe's reason and ours."""
    if reason in RefundReason.StripeReason.values:
        return {"stripe_reason": reason, "reason": internal_reason}
    return {
        "stripe_reason": RefundReason.StripeReason.REQUESTED_BY_CUSTOMER,
        "reason": internal_reason or reason[:200],
    }


def _send(refund: Refund) -> None:
    """The second step and, part by part, the third: no lock is held while Stripe is asked."""
    for part in refund.parts.filter(channel=Channel.STRIPE, state=State.REQUESTED).order_by("pk"):
        send_part(part)
    refund.refresh_from_db()


def _result(refund: Refund) -> Credit:
    """The credit note of a refund that was accepted, or the sentence for one that was not."""
    if refund.state == State.AWAITING_APPROVAL:
        raise RefundProposed(waiting_words(refund), refund)
    if refund.is_held:
        raise RefundHeld(_("%(number)s is sent in a moment; until then it can be undone.") % {"number": refund}, refund)
    if refund.state in UNDECIDED:
        raise RefundUnconfirmed(
            _("%(number)s is being verified with Stripe; do not send it again. The amount stays reserved.")
            % {"number": refund.number},
            refund,
        )
    if refund.state in OVER:
        raise RefundRefused(str(refund.refusal or say("refused")), refund)
    note = refund.credits.order_by("status", "pk").first()
    return note or Credit.objects.get(pk=refund.parts.filter(credit__isnull=False).values("credit")[:1])
