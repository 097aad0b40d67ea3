"""What counts as a difference between a thing at Stripe and our row for it. Decides only; asks and writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db.models import Q

from registration.models import Conference, Difference, Payment, RefundPart
from registration.models.refund import OVER
from registration.services.external import stands_for, state_of, uuid_or_none
from registration.stripe_snapshots import ChargeSnapshot, DisputeSnapshot, RefundSnapshot

Kind = Difference.Kind
Facts = dict[str, Any]
Theirs = RefundSnapshot | ChargeSnapshot | DisputeSnapshot
T = TypeVar("T", bound=Theirs)


@dataclass(frozen=True)
class Verdict:
    """A difference with both sides in plain facts, and the thing at Stripe when there is one."""

    kind: str
    subject: str
    ours: Facts = field(default_factory=dict)
    theirs: Facts = field(default_factory=dict)
    order_id: int | None = None
    snapshot: Theirs | None = None

    @property
    def fingerprint(self) -> str:
        """The same while neither side changes."""
        sides = (self.kind, *sorted(self.ours.items()), "/", *sorted(self.theirs.items()))
        return " ".join(map(str, sides))


@dataclass(frozen=True)
class Compared:
    """One thing at Stripe: the key of our row that it answers for, and the difference if there is one."""

    row: int | None
    verdict: Verdict | None


class Ours:
    """The rows of ours that some things at Stripe may belong to, read in two questions however many things there are.

    Finds them as ``find_part`` and ``find_payment`` do, which the code that repairs goes by.
    """

    def __init__(self, conference: Conference, theirs: Iterable[Theirs]) -> None:
        """Read them."""
        things = list(theirs)
        payments = Payment.objects.filter(order__conference=conference).select_related("order").order_by("-pk")
        intents = {each.payment_intent_id for each in things} - {""}
        charges = {each.id if isinstance(each, ChargeSnapshot) else each.charge_id for each in things} - {""}
        found = payments.filter(Q(stripe_payment_intent_id__in=intents) | Q(stripe_charge_id__in=charges))
        # The oldest comes last and so wins, as it does where one is looked up by itself.
        self._by_intent = {p.stripe_payment_intent_id: p for p in found if p.stripe_payment_intent_id}
        self._by_charge = {p.stripe_charge_id: p for p in found if p.stripe_charge_id}
        self._read_parts(conference, [each for each in things if isinstance(each, RefundSnapshot)])

    def _read_parts(self, conference: Conference, refunds: list[RefundSnapshot]) -> None:
        keys = {key for each in refunds if (key := uuid_or_none(each.metadata.get("part", "")))}
        parts = RefundPart.objects.filter(refund__order__conference=conference).select_related("refund", "payment")
        found = parts.filter(Q(uuid__in=keys) | Q(stripe_refund_id__in={each.id for each in refunds}))
        self._by_uuid = {part.uuid: part for part in found}
        self._by_id = {part.stripe_refund_id: part for part in self._by_uuid.values() if part.stripe_refund_id}

    def payment(self, theirs: Theirs) -> Payment | None:
        """Our payment for a charge, or the one that a refund or a dispute is about."""
        charge_id = theirs.id if isinstance(theirs, ChargeSnapshot) else theirs.charge_id
        return self._by_intent.get(theirs.payment_intent_id) or self._by_charge.get(charge_id)

    def part(self, refund: RefundSnapshot) -> RefundPart | None:
        """Our part for a refund."""
        key = uuid_or_none(refund.metadata.get("part", ""))
        named = self._by_uuid.get(key) if key else None
        return named if named is not None and stands_for(named, refund) else self._by_id.get(refund.id)


def compare_refunds(conference: Conference, theirs: list[RefundSnapshot]) -> Iterator[Compared]:
    """Compare refunds at Stripe with our parts."""
    ours = Ours(conference, theirs)
    for refund in theirs:
        part, payment = ours.part(refund), ours.payment(refund)
        kind = _refund_kind(refund, part, payment)
        verdict = Verdict(
            kind,
            f"refund:{refund.id}",
            ours=part_facts(part) if part else {},
            theirs=refund_facts(refund),
            order_id=part.refund.order_id if part else payment.order_id if payment else None,
            snapshot=refund,
        )
        yield Compared(part.pk if part else None, verdict if kind else None)


def _refund_kind(theirs: RefundSnapshot, part: RefundPart | None, payment: Payment | None) -> str:
    state = state_of(theirs)
    if part is None and state in OVER:
        return ""  # Nothing moved, and nothing in the books says that something did.
    if payment is None and (part is None or part.payment.stripe_charge_id or part.payment.stripe_payment_intent_id):
        return Kind.UNKNOWN_PAYMENT if part is None else Kind.REFUND_PAYMENT
    if part is None:
        return Kind.REFUND_MISSING_HERE
    if part.currency != theirs.currency:
        return Kind.REFUND_CURRENCY
    if part.amount != theirs.amount:
        return Kind.REFUND_AMOUNT
    if payment is not None and payment.pk != part.payment_id:
        return Kind.REFUND_PAYMENT
    both_over = part.state in OVER and state in OVER
    agree = both_over or (part.state == state and part.stripe_refund_id == theirs.id)
    return "" if agree else Kind.REFUND_STATE


def compare_charges(conference: Conference, theirs: list[ChargeSnapshot]) -> Iterator[Compared]:
    """Compare charges at Stripe with our payments."""
    ours = Ours(conference, theirs)
    for charge in theirs:
        payment = ours.payment(charge)
        kind = _charge_kind(charge, payment)
        verdict = Verdict(
            kind,
            f"charge:{charge.id}",
            ours=payment_facts(payment) if payment else {},
            theirs=charge_facts(charge),
            order_id=payment.order_id if payment else None,
            snapshot=charge,
        )
        # A charge that failed says nothing for a payment that another one made.
        answers = payment is not None and (charge.has_arrived or bool(kind))
        yield Compared(payment.pk if payment is not None and answers else None, verdict if kind else None)


def _charge_kind(theirs: ChargeSnapshot, payment: Payment | None) -> str:
    if not theirs.has_arrived:
        # Another charge of the same intent may have succeeded; the second look asks the intent.
        is_ours = payment is not None and payment.stripe_charge_id in ("", theirs.id)
        return Kind.PAYMENT_STATE if payment is not None and is_ours and payment.is_captured else ""
    if payment is None:
        return Kind.PAYMENT_MISSING_HERE
    if not payment.is_captured:
        return Kind.PAYMENT_STATE
    if payment.currency != theirs.currency:
        return Kind.PAYMENT_CURRENCY
    return Kind.PAYMENT_AMOUNT if payment.amount != theirs.amount else ""


def compare_disputes(conference: Conference, theirs: list[DisputeSnapshot]) -> Iterator[Compared]:
    """Compare disputes at Stripe with what our payments keep of them."""
    ours = Ours(conference, theirs)
    for dispute in theirs:
        payment = ours.payment(dispute)
        kind = _dispute_kind(dispute, payment)
        verdict = Verdict(
            kind,
            f"dispute:{dispute.id}",
            ours=_kept_dispute(payment),
            theirs=dispute_facts(dispute),
            order_id=payment.order_id if payment else None,
            snapshot=dispute,
        )
        yield Compared(payment.pk if payment else None, verdict if kind else None)


def _dispute_kind(theirs: DisputeSnapshot, payment: Payment | None) -> str:
    if payment is None:
        return Kind.UNKNOWN_PAYMENT
    kept = payment.dispute or {}
    if kept.get("id") != theirs.id:
        # A payment keeps its latest dispute; an earlier one has had its day.
        return "" if kept and (kept.get("created") or 0) >= (theirs.opened or 0) else Kind.DISPUTE_MISSING_HERE
    same = kept.get("status") == theirs.status and kept.get("is_charge_refundable") == theirs.is_charge_refundable
    return "" if same else Kind.DISPUTE_STATE


def _kept_dispute(payment: Payment | None) -> Facts:
    kept = (payment.dispute if payment else None) or {}
    names = {"id": "id", "amount": "amount", "currency": "currency", "status": "state"}
    return {ours: str(kept[theirs]) for theirs, ours in names.items() if kept.get(theirs)}


def part_facts(part: RefundPart) -> Facts:
    """A part as a page and an item show it."""
    return {
        "id": part.stripe_refund_id or "",
        "amount": str(part.amount),
        "currency": part.currency,
        "state": part.state,
        "number": part.refund.number,
        "payment": part.payment.stripe_payment_intent_id or part.payment.stripe_charge_id,
    }


def payment_facts(payment: Payment) -> Facts:
    """A payment as a page and an item show it."""
    return {
        "id": payment.stripe_charge_id or payment.stripe_payment_intent_id,
        "amount": str(payment.amount),
        "currency": payment.currency,
        "state": payment.status,
    }


def refund_facts(refund: RefundSnapshot) -> Facts:
    """A refund at Stripe as a page and an item show it."""
    payment = refund.payment_intent_id or refund.charge_id
    return {**_money_of(refund), "id": refund.id, "state": state_of(refund), "payment": payment}


def charge_facts(charge: ChargeSnapshot) -> Facts:
    """A charge at Stripe as a page and an item show it."""
    state = charge.status if charge.status != "succeeded" or charge.is_captured else "not captured"
    return {**_money_of(charge), "id": charge.id, "state": state, "payment": charge.payment_intent_id}


def dispute_facts(dispute: DisputeSnapshot) -> Facts:
    """A dispute at Stripe as a page and an item show it."""
    return {**_money_of(dispute), "id": dispute.id, "state": dispute.status, "payment": dispute.charge_id}


def _money_of(theirs: Theirs) -> Facts:
    return {"amount": str(theirs.amount), "currency": theirs.currency}
