"""One order of a season in the making, with the balances that the database would have kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from registration.models import Credit, CreditEntry, Order, Payment
from registration.models.refund import ACCEPTED, NOTED, OVER, RESERVING, UNDECIDED
from tools.bench.people import Person

ACCEPTED_STATES, RESERVING_STATES, OVER_STATES = (frozenset(map(str, group)) for group in (ACCEPTED, RESERVING, OVER))
UNDECIDED_STATES, NOTED_STATES = (frozenset(map(str, group)) for group in (UNDECIDED, NOTED))
CAPTURED = frozenset(map(str, Payment.CAPTURED))
OPEN_ENDED = (Order.Status.PENDING, Order.Status.CANCELLED)


@dataclass(slots=True)
class Event:
    """One line of an order's history to come."""

    at: int
    kind: str
    facts: dict[str, str]
    actor_id: int | None = None
    refund_id: int | None = None


@dataclass(slots=True)
class Tender:
    """A payment; amounts in cents."""

    id: int
    method: str
    amount: int
    at: int
    status: str = Payment.Status.SUCCEEDED
    intent: str = ""
    charge: str = ""
    brand: str = ""
    last4: str = ""
    credit_id: int | None = None
    dispute: str | None = None
    refunded: int = 0
    reserved: int = 0

    @property
    def is_captured(self) -> bool:
        """Whether its money arrived."""
        return self.status in CAPTURED

    @property
    def refundable(self) -> int:
        """What can still go back."""
        arrived = self.amount if self.is_captured and self.method != Payment.Method.COMP else 0
        return arrived - self.refunded - self.reserved

    def count(self, amount: int, state: str) -> None:
        """Take a part of a refund into account."""
        if state in ACCEPTED_STATES:
            self.refunded += amount
        elif state in RESERVING_STATES:
            self.reserved += amount
        if self.is_captured and self.refunded == self.amount:
            self.status = Payment.Status.REFUNDED


@dataclass(slots=True)
class Sale:
    """An order; amounts in cents."""

    id: int
    person: Person
    reference: str
    at: int
    total: int
    status: str = Order.Status.PAID
    tenders: list[Tender] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    hold_until: int | None = None

    @property
    def paid(self) -> int:
        """What arrived."""
        return sum(tender.amount for tender in self.tenders if tender.is_captured)

    @property
    def refunded(self) -> int:
        """What went back or is on its way."""
        return sum(tender.refunded for tender in self.tenders)

    @property
    def reserved(self) -> int:
        """What is decided and not yet known to be accepted."""
        return sum(tender.reserved for tender in self.tenders)

    @property
    def refundable(self) -> int:
        """What can still go back."""
        return sum(tender.refundable for tender in self.tenders)

    @property
    def settled_status(self) -> str:
        """The status that the sums call for."""
        if self.status in OPEN_ENDED:
            return self.status
        if not self.refunded:
            return Order.Status.PAID
        return Order.Status.REFUNDED if self.refunded >= self.total else Order.Status.PARTIALLY_REFUNDED


@dataclass(slots=True)
class Note:
    """A credit, and the movements of it; amounts in cents."""

    id: int
    user_id: int
    amount: int
    at: int
    kind: str
    status: str = Credit.Status.AVAILABLE
    source_order_id: int | None = None
    refund_id: int | None = None
    applied_to_order_id: int | None = None
    expires_at: int | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Every credit begins with what was issued."""
        self.enter(CreditEntry.Kind.ISSUED, self.amount, self.at, self.source_order_id)

    @property
    def remaining(self) -> int:
        """What is left of it."""
        return sum(entry["amount"] for entry in self.entries)

    def enter(
        self, kind: str, amount: int, at: int, order_id: int | None = None, payment_id: int | None = None
    ) -> None:
        """Add a movement."""
        self.entries.append({"kind": kind, "amount": amount, "at": at, "order_id": order_id, "payment_id": payment_id})

    def empty(self, kind: str, status: str, at: int) -> None:
        """Take all that is left."""
        self.enter(kind, -self.remaining, at, self.source_order_id)
        self.status = status
