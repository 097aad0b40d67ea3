"""Compares the sandbox's books with ours, refund by refund."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from registration.models import Conference, Credit, OpenItem, Order, Payment, Refund, RefundPart, StripeEvent
from registration.models.refund import ACCEPTED, RESERVING
from registration.money import to_minor_units
from registration.services import verify_credits, verify_history, verify_orders
from registration.services.settle import STRIPE_STATES

Wire = dict[str, Any]
LIVE = ("pending", "requires_action", "succeeded")


@dataclass
class Verdict:
    """What is wrong, in words; three empty lists are an acquittal."""

    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Everything found, each with its kind."""
        kinds = {"doubled": self.doubled, "lost": self.lost, "difference": self.differences}
        return [f"{kind}: {found}" for kind, many in kinds.items() for found in many]


def judge(conference: Conference, state: Wire) -> Verdict:
    """Compare one conference with its account."""
    verdict = Verdict()
    refunds = {refund["id"]: refund for refund in state["refunds"]}
    parts = RefundPart.objects.filter(refund__order__conference=conference, channel=RefundPart.Channel.STRIPE)
    ours = list(parts.select_related("refund", "payment"))
    shown = shown_to_staff(conference, refunds)
    _doubled(verdict, ours, list(refunds.values()))
    _lost(verdict, ours, refunds, shown)
    for part in ours:
        _compare_part(verdict, part, refunds.get(part.stripe_refund_id or ""))
    _compare_charges(verdict, conference, state, shown)
    _queue(verdict, conference, shown)
    verdict.differences += _ledger(conference)
    return verdict


def shown_to_staff(conference: Conference, refunds: dict[str, Wire]) -> list[Wire]:
    """Refunds made past the desk of money that the desk had given back as credit.

    No ledger has room for what goes back twice; the promise asks for an open item with a name, and there it is.
    """
    items = OpenItem.objects.unresolved().filter(conference=conference, kind=OpenItem.Kind.EXTERNAL, refund=None)
    shown = []
    for item in items.select_related("payment"):
        refund, payment = refunds.get(item.subject), item.payment
        if refund is None or payment is None or refund["metadata"] or refund["status"] not in LIVE:
            continue
        if to_minor_units(payment.refundable_amount, payment.currency) < refund["amount"]:
            shown.append(refund)
    return shown


def _doubled(verdict: Verdict, ours: list[RefundPart], refunds: list[Wire]) -> None:
    """One part, at most one refund; one decision, at most its sum."""
    by_part, by_decision = defaultdict(list), defaultdict(int)
    for refund in refunds:
        if name := refund["metadata"].get("part"):
            by_part[name].append(refund["id"])
            if refund["status"] in LIVE:
                by_decision[refund["metadata"]["refund"]] += refund["amount"]
    verdict.doubled += [f"part {name} has {ids}" for name, ids in by_part.items() if len(ids) > 1]
    decided: dict[str, Refund] = {str(part.refund.uuid): part.refund for part in ours}
    for name, moved in by_decision.items():
        refund = decided.get(name)
        if refund is not None and moved > to_minor_units(refund.amount, refund.currency):
            verdict.doubled.append(f"{refund} of {refund.amount} moved {moved} in minor units")


def _lost(verdict: Verdict, ours: list[RefundPart], refunds: dict[str, Wire], shown: list[Wire]) -> None:
    known = {part.stripe_refund_id for part in ours} | {refund["id"] for refund in shown}
    for part in ours:
        if part.state in ACCEPTED and part.stripe_refund_id not in refunds:
            verdict.lost.append(f"{part.refund}: {part.state} in our books, nothing at Stripe")
    for refund in refunds.values():
        if refund["id"] not in known and (refund["status"] in LIVE or refund["metadata"].get("part")):
            verdict.lost.append(f"{refund['id']} ({refund['status']}, {refund['metadata']}) is not in our books")


def _compare_part(verdict: Verdict, part: RefundPart, refund: Wire | None) -> None:
    name = f"{part.refund} part {part.uuid}"
    if part.state in RESERVING:
        verdict.differences.append(f"{name} is still {part.state}")
    if refund is None:
        return
    if to_minor_units(part.amount, part.currency) != refund["amount"]:
        verdict.differences.append(f"{name}: {part.amount} here, {refund['amount']} at Stripe")
    if STRIPE_STATES[refund["status"]] != part.state:
        verdict.differences.append(f"{name}: {part.state} here, {refund['status']} at Stripe")
    named = refund["metadata"].get("part")
    if named and named != str(part.uuid):
        verdict.differences.append(f"{name} holds {refund['id']}, which belongs to part {named}")


def _compare_charges(verdict: Verdict, conference: Conference, state: Wire, shown: list[Wire]) -> None:
    """Per payment and per order: what went back, here and there."""
    charges = {charge["id"]: charge for charge in state["charges"]}
    for refund in shown:
        charges[refund["charge"]]["amount_refunded"] -= refund["amount"]
    there: dict[int, int] = defaultdict(int)
    for payment in Payment.objects.filter(order__conference=conference, method=Payment.Method.STRIPE):
        refunded = charges[payment.stripe_charge_id]["amount_refunded"]
        there[payment.order_id] += refunded
        here = to_minor_units(payment.refunded_amount, payment.currency)
        # What was given back as credit instead lowers the payment too, and Stripe knows nothing of it.
        for part in payment.refund_parts.exclude(channel=RefundPart.Channel.STRIPE).filter(state__in=ACCEPTED):
            here -= to_minor_units(part.amount, part.currency)
        if here != refunded:
            verdict.differences.append(f"payment {payment.pk}: {here} refunded here, {refunded} at Stripe")
    for order in Order.objects.filter(conference=conference, pk__in=there):
        if order.reserved_amount:
            verdict.differences.append(f"order {order} still reserves {order.reserved_amount}")
        if there[order.pk] > to_minor_units(order.paid_amount, order.currency):
            verdict.doubled.append(f"order {order} got back more than it paid")


def _queue(verdict: Verdict, conference: Conference, shown: list[Wire]) -> None:
    """Every event came to its end, except those about what only an item can show."""
    excused = {refund[name] for refund in shown for name in ("id", "charge")}
    left = StripeEvent.objects.filter(conference=conference, state__in=(StripeEvent.State.STORED, "FAILED"))
    verdict.differences += [
        f"event {event.event_id} ({event.type}) is {event.state}: {event.last_error}"
        for event in left
        if event.payload["data"]["object"]["id"] not in excused
    ]


def _ledger(conference: Conference) -> list[str]:
    """What ``verify_ledger`` says about the run's rows, which lie next to each other."""
    found: list[str] = []
    for model, checks in (
        (Order, (verify_orders.check, verify_history.check)),
        (Credit, (verify_credits.check,)),
    ):
        keys = sorted(model._default_manager.filter(conference=conference).values_list("pk", flat=True))
        if keys:
            found += [f"{row}: {problem}" for check in checks for row, problem in check(keys[0], keys[-1])]
    return found
