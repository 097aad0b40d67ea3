"""A close look at one thing that may differ: both sides are read again, and what was only under way is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from registration.models import Conference, Difference, Payment, RefundPart
from registration.models.refund import ACCEPTED
from registration.money import ZERO
from registration.services.comparison.asking import Asker
from registration.services.comparison.rules import (
    Compared,
    Verdict,
    charge_facts,
    compare_charges,
    compare_disputes,
    compare_refunds,
    part_facts,
    payment_facts,
)
from registration.stripe_snapshots import ChargeSnapshot, RefundSnapshot

Kind = Difference.Kind


def look(asker: Asker, conference: Conference, subject: str) -> Verdict | None:
    """Say how the subject differs now, if it does.

    Raises:
        StripeProblem: Stripe could not be asked.
    """
    noun, _colon, key = subject.partition(":")
    return LOOKS[noun](asker, conference, key)


def _at_refund(asker: Asker, conference: Conference, key: str) -> Verdict | None:
    theirs = asker.ask_if_known(lambda gateway: gateway.fetch_refund(key))
    return _compared_refund(conference, theirs).verdict if theirs else None


def _at_charge(asker: Asker, conference: Conference, key: str) -> Verdict | None:
    theirs = asker.ask_if_known(lambda gateway: gateway.fetch_charge(key))
    if theirs is None:
        return None
    verdict = _compared_charge(conference, theirs).verdict
    if verdict and not theirs.has_arrived and theirs.payment_intent_id:
        intent = asker.ask(lambda gateway: gateway.fetch_payment_intent(theirs.payment_intent_id))
        return None if intent.status == "succeeded" else verdict
    return verdict


def _at_dispute(asker: Asker, conference: Conference, key: str) -> Verdict | None:
    theirs = asker.ask_if_known(lambda gateway: gateway.fetch_dispute(key))
    return next(compare_disputes(conference, [theirs])).verdict if theirs else None


def _at_part(asker: Asker, conference: Conference, key: str) -> Verdict | None:
    """A refund of ours that was not met at Stripe: fetched by its id, else looked for by our id in its metadata."""
    parts = RefundPart.objects.filter(refund__order__conference=conference).select_related("refund", "payment")
    part = parts.filter(pk=key, channel=RefundPart.Channel.STRIPE, state__in=ACCEPTED).first()
    if part is None:
        return None
    theirs = _refund_of(asker, part)
    compared = _compared_refund(conference, theirs) if theirs else None
    if compared is not None and compared.row == part.pk:
        return replace(compared.verdict, subject=f"part:{key}") if compared.verdict else None
    return Verdict(Kind.REFUND_MISSING_THERE, f"part:{key}", ours=part_facts(part), order_id=part.refund.order_id)


def _refund_of(asker: Asker, part: RefundPart) -> RefundSnapshot | None:
    refund_id = part.stripe_refund_id or ""
    known = asker.ask_if_known(lambda gateway: gateway.fetch_refund(refund_id)) if refund_id else None
    if known is None and _has_id(part.payment):
        known = asker.ask_if_known(lambda gateway: gateway.find_refund(part))
    return known


def _at_payment(asker: Asker, conference: Conference, key: str) -> Verdict | None:
    """A payment of ours that was not met at Stripe."""
    payments = Payment.objects.captured().filter(order__conference=conference, method=Payment.Method.STRIPE)
    payment = payments.filter(pk=key, amount__gt=ZERO).first()
    if payment is None:
        return None
    missing = Kind.PAYMENT_MISSING_THERE if _has_id(payment) else Kind.PAYMENT_WITHOUT_ID
    charge = _charge_of(asker, payment)
    compared = _compared_charge(conference, charge) if charge else None
    subject, ours = f"payment:{key}", payment_facts(payment)
    if compared is not None and compared.row == payment.pk:
        return replace(compared.verdict, subject=subject) if compared.verdict else None
    kind, theirs = (Kind.PAYMENT_TWICE, charge_facts(charge)) if charge else (missing, {})
    return Verdict(kind, subject, ours=ours, theirs=theirs, order_id=payment.order_id)


def _charge_of(asker: Asker, payment: Payment) -> ChargeSnapshot | None:
    intent_id, charge_id = payment.stripe_payment_intent_id, payment.stripe_charge_id
    intent = asker.ask_if_known(lambda gateway: gateway.fetch_payment_intent(intent_id)) if intent_id else None
    found = intent.charge_id if intent and intent.charge_id else charge_id
    return asker.ask_if_known(lambda gateway: gateway.fetch_charge(found)) if found else None


def _has_id(payment: Payment) -> bool:
    return bool(payment.stripe_payment_intent_id or payment.stripe_charge_id)


def _compared_refund(conference: Conference, theirs: RefundSnapshot) -> Compared:
    return next(compare_refunds(conference, [theirs]))


def _compared_charge(conference: Conference, theirs: ChargeSnapshot) -> Compared:
    return next(compare_charges(conference, [theirs]))


LOOKS: dict[str, Callable[[Asker, Conference, str], Verdict | None]] = {
    "refund": _at_refund,
    "charge": _at_charge,
    "dispute": _at_dispute,
    "part": _at_part,
    "payment": _at_payment,
}
