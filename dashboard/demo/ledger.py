"""What went back: refunds and credits of a season, as rows that are not saved yet."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from dashboard.demo.purchases import Purchases
from registration.models import Conference, Credit, CreditEntry, Order, Payment, Refund, RefundPart
from registration.models.refund import ACCEPTED, NOTED, OPEN, OVER, UNDECIDED, URGENCY
from registration.money import ZERO, to_minor_units
from registration.services.decide import card_fact
from registration.ways import channel_fact

State = Refund.State
Channel = RefundPart.Channel
Destination = Refund.Destination
MINUTE = timedelta(minutes=1)
UNSENT = (State.AWAITING_APPROVAL, State.REQUESTED, State.REJECTED)
QUIET = (State.AWAITING_APPROVAL, State.REQUESTED)


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a refund to come; ``was`` is the state it was in before, for what failed late."""

    payment: Payment
    amount: Decimal
    state: str = State.SUCCEEDED
    channel: str = ""
    was: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def way(self) -> str:
        """Its channel: as said, else the way the payment came."""
        return self.channel or (Channel.STRIPE if self.payment.stripe_payment_intent_id else Channel.MANUAL)


class Ledger(Purchases):
    """A whole season in the making."""

    def pay_by_credit(self, order: Order, credit: Credit, amount: Decimal, at: datetime, by: User | None) -> Payment:
        """A payment taken from a credit, and the entry of the credit that goes with it."""
        payment = self.pay(order, Payment.Method.CREDIT, amount, at, by=by, credit=credit)
        self.enter(credit, CreditEntry.Kind.APPLIED, -amount, at, by, order=order, payment=payment)
        credit.applied_to_order = order
        due = max(order.total - self.paid_so_far(order), ZERO)
        self.say(order, at, "credit_applied", by, amount=amount, credit=credit, due=due)
        return payment

    def refund(
        self,
        order: Order,
        shares: Sequence[Share],
        at: datetime,
        *,
        by: User | None,
        destination: str = Destination.CARD,
        reason: str = "Requested by attendee",
        **more: Any,
    ) -> Refund:
        """A refund with its parts and credit notes; its state is the most pressing of theirs.

        Args:
            order: What is refunded.
            shares: One for each part.
            at: When it was decided.
            by: Who decided it; nobody for what was made at Stripe.
            destination: Where the money goes.
            reason: The house reason.
            more: Further columns of the refund.
        """
        refund = Refund(
            uuid=self.uuid(),
            order=order,
            amount=sum((share.amount for share in shares), ZERO),
            destination=destination,
            state=min((share.state for share in shares), key=[str(state) for state in URGENCY].index),
            reason=reason,
            requested_by=by,
            created_at=at,
            updated_at=at,
            **more,
        )
        self.refunds.append(refund)
        self._say_requested(refund, shares, at)
        parts = [self._part(refund, share, at) for share in shares]
        self._issue_notes(refund, parts, shares, at)
        return refund

    def uuid(self) -> uuid.UUID:
        """A UUID from the season's own dice."""
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)

    def _say_requested(self, refund: Refund, shares: Sequence[Share], at: datetime) -> None:
        order = refund.order
        kept = sum((share.amount for share in shares if share.state not in OVER), ZERO)
        before = self.left.get(id(order), ZERO)
        self.left[id(order)] = before - kept
        external = refund.source == Refund.Source.EXTERNAL
        facts: dict[str, Any] = {"number": refund, "amount": refund.amount}
        if not external:
            facts |= {"destination": refund.destination, "refundable": before - refund.amount}
            facts |= {"reason": refund.reason, "note": refund.note, "total": order.total}
            facts |= card_fact(refund.destination, [share.payment for share in shares])
            facts |= channel_fact(refund.destination, {share.way for share in shares})
        if refund.fee_amount:
            facts["fee"] = refund.fee_amount
        proposed = any(share.state in (State.AWAITING_APPROVAL, State.REJECTED) for share in shares)
        kind = "refund_external" if external else "refund_proposed" if proposed else "refund_requested"
        self.say(order, at, kind, refund.requested_by, refund, **facts)

    def _part(self, refund: Refund, share: Share, at: datetime) -> RefundPart:
        part = RefundPart(
            uuid=self.uuid(),
            refund=refund,
            payment=share.payment,
            channel=share.way,
            amount=share.amount,
            state=share.state,
            created_at=at,
            settled_at=None if share.state in OPEN else at + MINUTE,
        )
        self._send(part, at)
        for name, value in share.details.items():
            setattr(part, name, value)
        if State(share.was or part.state) in ACCEPTED:
            part.accepted_at = at + MINUTE
        self.parts.append(part)
        if part.channel == Channel.STRIPE and refund.source == Refund.Source.DESK:
            self._say_steps(part, share, at)
        if part.stripe_refund_id:
            self._seed_refund(part, at)
        return part

    def _send(self, part: RefundPart, at: datetime) -> None:
        if part.channel != Channel.STRIPE or part.state in UNSENT:
            return
        part.sent_at, part.attempts = at, 1
        if part.state != State.UNCONFIRMED and not part.refund.refusal:
            part.stripe_refund_id = self.stripe_id("re")
            part.stripe_request_id = self.stripe_id("req")
            part.stripe_status = part.state

    def _say_steps(self, part: RefundPart, share: Share, at: datetime) -> None:
        steps = [(share.was, at + MINUTE)] if share.was else []
        steps.append((part.state, max(part.settled_at or at, at + MINUTE)))
        for state, when in steps:
            if state == State.REJECTED:
                self._say_rejected(part, when)
            elif state not in QUIET:
                cause = part.refund.refusal or part.failure_reason if state == part.state else ""
                facts = {"amount": part.amount, "instrument": part.payment.tender, "cause": cause}
                self.say(part.refund.order, when, f"refund_part_{state}", None, part.refund, **facts)

    def _say_rejected(self, part: RefundPart, when: datetime) -> None:
        refund = part.refund
        proposer = refund.requested_by.get_full_name() if refund.requested_by else ""
        facts = {"number": refund, "amount": part.amount, "proposer": proposer, "reason": refund.refusal}
        self.say(refund.order, when, "refund_rejected", refund.decided_by, refund, **facts)

    def _seed_refund(self, part: RefundPart, at: datetime) -> None:
        refund = part.refund
        ours = refund.source == Refund.Source.DESK
        metadata = {"refund": str(refund.uuid), "part": str(part.uuid), "order": refund.order.reference}
        self.seed_of[id(part.payment)]["refunds"].append(
            {
                "id": part.stripe_refund_id,
                "amount": to_minor_units(part.amount, refund.order.conference.currency),
                "status": str(part.state),
                "created": int(at.timestamp()),
                "reason": refund.stripe_reason,
                "failure_reason": part.failure_reason or None,
                "pending_reason": part.pending_reason or None,
                "metadata": metadata if ours else {},
            }
        )

    def _issue_notes(self, refund: Refund, parts: Sequence[RefundPart], shares: Sequence[Share], at: datetime) -> None:
        """Write the credit notes as the service does once every part was decided."""
        if refund.source == Refund.Source.EXTERNAL or any(part.state in UNDECIDED for part in parts):
            return
        decided = [part for part in parts if part.state in NOTED]
        failed_late = any(share.was in ACCEPTED and share.state in OVER for share in shares)
        to_credit = _sum(decided, Channel.STORE_CREDIT)
        back = _sum(decided, Channel.STRIPE, Channel.MANUAL)
        if to_credit:
            credit = self._note(refund, to_credit, at, Credit.Status.AVAILABLE)
            for part in decided:
                if part.channel == Channel.STORE_CREDIT:
                    part.credit = credit
        if refund.destination == Destination.CARD_AND_CREDIT and (back or failed_late):
            self._note(refund, back or refund.amount, at, Credit.Status.AVAILABLE, Credit.Kind.GOODWILL)
        elif back:
            self._note(refund, back, at, Credit.Status.PAID_OUT)

    def _note(
        self, refund: Refund, amount: Decimal, at: datetime, status: str, kind: str = Credit.Kind.REFUND
    ) -> Credit:
        order = refund.order
        credit = self.credit(
            order,
            order.user,
            order.conference,
            amount,
            at + MINUTE,
            by=refund.requested_by,
            refund=refund,
            kind=kind,
            status=status,
            note=refund.note,
        )
        if status == Credit.Status.AVAILABLE:
            self.issued[refund.uuid] = credit
        return credit

    def credit(
        self,
        order: Order | None,
        attendee: User,
        conference: Conference,
        amount: Decimal,
        at: datetime,
        *,
        by: User | None,
        refund: Refund | None = None,
        kind: str = Credit.Kind.GOODWILL,
        status: str = Credit.Status.AVAILABLE,
        expires_at: datetime | None = None,
        note: str = "",
    ) -> Credit:
        """A credit; one that is PAID_OUT has nothing to spend and only records a refund."""
        paid_out = status == Credit.Status.PAID_OUT
        days = conference.credit_validity_days
        if expires_at is None and days and not paid_out:
            expires_at = at + timedelta(days=days)
        credit = Credit(
            user=attendee,
            conference=conference,
            kind=kind,
            amount=amount,
            remaining_amount=ZERO if paid_out else amount,
            status=status,
            source_order=order,
            refund=refund,
            expires_at=expires_at,
            note=note,
            issued_by=by,
            created_at=at,
            updated_at=at,
        )
        self.credits.append(credit)
        if order is not None and not paid_out:
            self.say(order, at, "credit_issued", by, refund, amount=amount, credit=credit)
        return credit

    def enter(
        self,
        credit: Credit,
        kind: str,
        amount: Decimal,
        at: datetime,
        by: User | None = None,
        *,
        order: Order | None = None,
        payment: Payment | None = None,
        reason: str = "",
    ) -> None:
        """One movement of a credit after it was issued."""
        self.entries.append(
            CreditEntry(
                credit=credit,
                kind=kind,
                amount=amount,
                order=order,
                payment=payment,
                actor=by,
                reason=reason or (order.reference if order else ""),
                created_at=at,
            )
        )


def _sum(parts: Sequence[RefundPart], *channels: str) -> Decimal:
    return sum((part.amount for part in parts if part.channel in channels), ZERO)
