"""Money that left twice: refunded, and taken by the bank in a lost dispute."""

from __future__ import annotations

from decimal import Decimal

from registration.models import OpenItem, Payment
from registration.money import ZERO
from registration.services.open_items import open_item

LOST = "lost"
Kind = OpenItem.Kind


def show_charged_back(payment: Payment, *, charge_id: str = "") -> None:
    """Open an item once something of a charged-back payment went back, and again when more did after staff settled it.

    Whichever came first: a transfer that waited may be recorded long after the dispute was lost.

    Args:
        payment: Read under the order's lock, which the caller holds.
        charge_id: What Stripe calls it, where the payment does not know.
    """
    dispute = payment.dispute or {}
    if dispute.get("status") != LOST or payment.refunded_amount <= ZERO:
        return
    subject, conference = str(dispute.get("id") or f"payment:{payment.pk}"), payment.order.conference
    items = OpenItem.objects.filter(conference=conference, kind=Kind.CHARGED_BACK, subject=subject)
    seen, refunded = items.order_by("pk").last(), payment.refunded_amount
    if seen is None or (seen.resolved_at is not None and refunded > _refunded_in(seen)):
        facts = _facts(payment, charge_id)
        open_item(Kind.CHARGED_BACK, subject, conference=conference, order=payment.order, payment=payment, facts=facts)
    elif seen.resolved_at is None and refunded != _refunded_in(seen):
        items.unresolved().filter(pk=seen.pk).update(facts=seen.facts | {"refunded": str(refunded)})


def _refunded_in(item: OpenItem) -> Decimal:
    return Decimal(str(item.facts.get("refunded", ZERO)))


def _facts(payment: Payment, charge_id: str) -> dict[str, str]:
    """What staff need to find the dispute at Stripe; amounts in major units."""
    dispute = payment.dispute or {}
    return {name: str(dispute.get(name) or "") for name in ("amount", "currency", "status", "reason")} | {
        "dispute_id": str(dispute.get("id") or ""),
        "charge_id": payment.stripe_charge_id or charge_id,
        "refunded": str(payment.refunded_amount),
    }
