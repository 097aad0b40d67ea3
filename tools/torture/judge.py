"""Compares the sandbox's books with ours, refund by refund."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registration.models import Conference, Credit, OpenItem, Order, Payment, Refund, RefundPart, StripeEvent
from registration.models.refund import ACCEPTED, UNDECIDED, State
from registration.money import to_minor_units
from registration.services.settle import STRIPE_STATES
from registration.services.verification import credits as verify_credits
from registration.services.verification import history as verify_history
from registration.services.verification import orders as verify_orders

Wire = dict[str, Any]
LIVE = ("pending", "requires_action", "succeeded")
CLOSED = ("won", "lost", "warning_closed", "prevented")
DOUBLED, LOST, DIFFERENCE = "doubled", "lost", "differences"


@dataclass(frozen=True)
class Finding:
    """Something that breaks the promise.

    Attributes:
        kind: DOUBLED, LOST or DIFFERENCE.
        text: What is wrong, with names that can be searched for.
        about: The refunds and disputes at Stripe whose events would have told us; empty when none need tell.
    """

    kind: str
    text: str
    about: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Kind and text."""
        return f"{self.kind}: {self.text}"


def judge(conference: Conference, state: Wire) -> list[Finding]:
    """Compare one conference with its account; an empty list is an acquittal."""
    case = Case(conference, state)
    checks = (
        case.doubled,
        case.lost,
        case.parts_differ,
        case.payments_differ,
        case.orders_differ,
        case.items_missing,
        case.disputes_differ,
        case.events_left,
        case.ledger_differs,
    )
    return [finding for check in checks for finding in check()]


def unheard(conference: Conference, events: list[Wire]) -> frozenset[str]:
    """The refunds and disputes of whose last change no event reached us, so that only a comparison can find it.

    Args:
        conference: Whose stored events count.
        events: What the account had to tell, newest first.
    """
    processed = StripeEvent.objects.filter(conference=conference, state=StripeEvent.State.PROCESSED)
    heard = set(processed.values_list("event_id", flat=True))
    last: dict[str, str] = {}
    for event in events:
        last.setdefault(event["data"]["object"]["id"], event["id"])
    return frozenset(subject for subject, event in last.items() if event not in heard)


class Case:
    """One conference and its account, read once."""

    def __init__(self, conference: Conference, state: Wire) -> None:
        """Read both books."""
        self.conference = conference
        self.refunds: dict[str, Wire] = {refund["id"]: refund for refund in state["refunds"]}
        self.charges: dict[str, Wire] = {charge["id"]: charge for charge in state["charges"]}
        self.disputes: list[Wire] = state["disputes"]
        parts = RefundPart.objects.filter(refund__order__conference=conference, channel=RefundPart.Channel.STRIPE)
        self.parts = list(parts.select_related("refund", "payment"))
        self.shown = {refund["id"] for refund in self._shown_to_staff()}
        self.of_charge: dict[str, list[Wire]] = defaultdict(list)
        for refund in self.refunds.values():
            self.of_charge[refund["charge"]].append(refund)

    def _shown_to_staff(self) -> Iterator[Wire]:
        """Refunds made past the desk of money that the desk had given back as credit.

        No ledger has room for what goes back twice; the promise asks for an open item with a name, and there it is.
        """
        items = OpenItem.objects.unresolved().filter(
            conference=self.conference, kind=OpenItem.Kind.EXTERNAL, refund=None
        )
        for item in items.select_related("payment"):
            refund, payment = self.refunds.get(item.subject), item.payment
            if refund is None or payment is None or refund["metadata"] or refund["status"] not in LIVE:
                continue
            if to_minor_units(payment.refundable_amount, payment.currency) < refund["amount"]:
                yield refund

    def doubled(self) -> Iterator[Finding]:
        """One part, at most one refund; one decision, at most its sum; one order, at most what it paid."""
        by_part, by_decision = defaultdict(list), defaultdict(int)
        for refund in self.refunds.values():
            if name := refund["metadata"].get("part"):
                by_part[name].append(refund["id"])
                if refund["status"] in LIVE:
                    by_decision[refund["metadata"]["refund"]] += refund["amount"]
        for name, ids in by_part.items():
            if len(ids) > 1:
                yield Finding(DOUBLED, f"part {name} has {', '.join(sorted(ids))}")
        decided: dict[str, Refund] = {str(part.refund.uuid): part.refund for part in self.parts}
        for name, moved in by_decision.items():
            refund_row = decided.get(name)
            if refund_row is not None and moved > to_minor_units(refund_row.amount, refund_row.currency):
                yield Finding(DOUBLED, f"{refund_row} of {refund_row.amount} moved {moved} in minor units")

    def lost(self) -> Iterator[Finding]:
        """What Stripe has is in our books, and what our books have is at Stripe."""
        known = {part.stripe_refund_id for part in self.parts} | self.shown
        for part in self.parts:
            if part.state in ACCEPTED and part.stripe_refund_id not in self.refunds:
                yield Finding(LOST, f"{part.refund}: {part.state} in our books, nothing at Stripe")
        for name, refund in self.refunds.items():
            ours = bool(refund["metadata"].get("part"))
            if name not in known and (refund["status"] in LIVE or ours):
                words = f"{name} ({refund['status']}, {refund['metadata']}) is not in our books"
                # Our own needs no event: we sent it, and find it by ourselves.
                yield Finding(LOST, words, frozenset() if ours else frozenset((name,)))

    def parts_differ(self) -> Iterator[Finding]:
        """Each part says what its refund at Stripe says."""
        for part in self.parts:
            name = f"{part.refund} part {part.uuid}"
            if part.state in UNDECIDED:
                yield Finding(DIFFERENCE, f"{name} is still {part.state}")
            refund = self.refunds.get(part.stripe_refund_id or "")
            if refund is None:
                continue
            if to_minor_units(part.amount, part.currency) != refund["amount"]:
                yield Finding(DIFFERENCE, f"{name}: {part.amount} here, {refund['amount']} at Stripe")
            if STRIPE_STATES[refund["status"]] != part.state:
                words = f"{name}: {part.state} here, {refund['status']} at Stripe"
                yield Finding(DIFFERENCE, words, frozenset((refund["id"],)))
            named = refund["metadata"].get("part")
            if named and named != str(part.uuid):
                yield Finding(DIFFERENCE, f"{name} holds {refund['id']}, which belongs to part {named}")

    def payments_differ(self) -> Iterator[Finding]:
        """Per payment: what went back, here and there."""
        for payment in Payment.objects.filter(order__conference=self.conference, method=Payment.Method.STRIPE):
            theirs = self.of_charge[payment.stripe_charge_id]
            refunded = sum(r["amount"] for r in theirs if r["status"] in LIVE and r["id"] not in self.shown)
            here = to_minor_units(payment.refunded_amount, payment.currency)
            # What was given back as credit instead lowers the payment too, and Stripe knows nothing of it.
            for part in payment.refund_parts.exclude(channel=RefundPart.Channel.STRIPE).filter(state__in=ACCEPTED):
                here -= to_minor_units(part.amount, part.currency)
            if here != refunded:
                words = f"payment {payment.pk}: {here} refunded here, {refunded} at Stripe"
                yield Finding(DIFFERENCE, words, frozenset(r["id"] for r in theirs))

    def orders_differ(self) -> Iterator[Finding]:
        """Nothing is reserved any more, and no order got back more than it paid."""
        for order in Order.objects.filter(conference=self.conference):
            if order.reserved_amount:
                yield Finding(DIFFERENCE, f"order {order} still reserves {order.reserved_amount}")
            charges = order.payments.filter(method=Payment.Method.STRIPE).values_list("stripe_charge_id", flat=True)
            back = sum(r["amount"] for charge in charges for r in self.of_charge[charge] if r["status"] in LIVE)
            if back > to_minor_units(order.paid_amount, order.currency):
                yield Finding(DOUBLED, f"order {order} got back more than it paid")

    def items_missing(self) -> Iterator[Finding]:
        """What went wrong, or happened elsewhere, has an item with a name; nothing has one without cause."""
        items = OpenItem.objects.filter(conference=self.conference)
        named = set(items.values_list("kind", "subject"))
        for part in self.parts:
            if part.state == State.FAILED and (OpenItem.Kind.FAILED, f"part:{part.pk}") not in named:
                yield Finding(DIFFERENCE, f"{part.refund} failed, and no item says so")
            external = part.refund.source == Refund.Source.EXTERNAL
            if external and (OpenItem.Kind.EXTERNAL, part.stripe_refund_id) not in named:
                yield Finding(DIFFERENCE, f"{part.stripe_refund_id} was made elsewhere, and no item says so")
        for item in items.unresolved().filter(kind__in=(OpenItem.Kind.UNMATCHED, OpenItem.Kind.UNCONFIRMED)):
            yield Finding(DIFFERENCE, f"{item} is open without cause")

    def disputes_differ(self) -> Iterator[Finding]:
        """Each payment knows its dispute, and an open one has an item."""
        items = OpenItem.objects.unresolved().filter(conference=self.conference, kind=OpenItem.Kind.DISPUTED)
        shown = set(items.values_list("subject", flat=True))
        for dispute in self.disputes:
            name, about = dispute["id"], frozenset((dispute["id"],))
            payment = Payment.objects.get(order__conference=self.conference, stripe_charge_id=dispute["charge"])
            here = (payment.dispute or {}).get("status")
            if here != dispute["status"]:
                yield Finding(DIFFERENCE, f"{name}: {here} here, {dispute['status']} at Stripe", about)
            if (name in shown) == (dispute["status"] in CLOSED):
                yield Finding(DIFFERENCE, f"{name} is {dispute['status']}, and its item does not follow", about)

    def events_left(self) -> Iterator[Finding]:
        """Every event came to its end, except those about what only an item can show."""
        excused = {self.refunds[name][key] for name in self.shown for key in ("id", "charge")}
        left = StripeEvent.objects.filter(conference=self.conference, state__in=("STORED", "FAILED"))
        for event in left:
            if event.payload["data"]["object"]["id"] not in excused:
                words = f"event {event.event_id} ({event.type}) is {event.state}: {event.last_error}"
                yield Finding(DIFFERENCE, words)

    def ledger_differs(self) -> Iterator[Finding]:
        """What ``verify_ledger`` says about the run's rows, which lie next to each other."""
        for model, checks in (
            (Order, (verify_orders.check, verify_history.check)),
            (Credit, (verify_credits.check,)),
        ):
            keys = sorted(model._default_manager.filter(conference=self.conference).values_list("pk", flat=True))
            for check in checks if keys else ():
                for row, problem in check(keys[0], keys[-1]):
                    yield Finding(DIFFERENCE, f"{row}: {problem}")
