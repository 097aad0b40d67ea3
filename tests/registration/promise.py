"""The model of the promise, and the order on which its stories are told.

``Promise`` is all that must be true, in whole cents and without a database. ``Story`` has one order, the people around
it, a Stripe that misbehaves on demand and a power that is cut at any boundary.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from registration.models import Credit, Order, OrderLineItem, Payment, Refund, RefundPart
from registration.roles import ensure_roles
from registration.services.credit import CreditService
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from tests.registration.books import make_conference, make_user
from tools.torture import killing
from tools.torture.sandbox import Sandbox
from tools.torture.storm import FAULTS

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

CARDS, CREDIT = (7000, 3000), 2000
LINES = (8000, 4000)
LONGER = 0.4
"""What a slow answer takes; longer than anybody waits here."""

cents = st.integers(1, 12_500)
destinations = st.sampled_from(["CARD", "CREDIT", "SPLIT", "CARD_AND_CREDIT"])
bad_days = st.sampled_from(["", "", "", *FAULTS])
power_cuts = st.sampled_from(
    ["", "", "", *(f"{side} {name}" for name in sorted(killing.places()) for side in ("before", "after"))]
)


class PowerCut(BaseException):
    """The process ends here."""


@dataclass
class Promise:
    """What must be true of one order, in cents: each decision moves at most its sum, and all together what was paid.

    Attributes:
        paid: What arrived.
        decided: What each decision may move, by its form's nonce; nothing once it is over.
        elsewhere: What was refunded past the desk.
        credits: What each credit of the story has left, by its key.
    """

    paid: int = sum(CARDS) + CREDIT
    decided: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    credits: dict[int, int] = field(default_factory=dict)

    @property
    def at_most_back(self) -> int:
        """What can have gone back, if every decision went through."""
        return sum(self.decided.values()) + self.elsewhere


def major(amount_minor: int) -> Decimal:
    return Decimal(amount_minor) / 100


def minor(amount: Decimal) -> int:
    return int(amount * 100)


@contextmanager
def power_cut(where: str) -> Iterator[None]:
    """End whatever runs at the first passage of a boundary: ``before stripe``, ``after settle_order``."""
    side, _, name = where.partition(" ")
    owner, attribute = killing.places()[name]
    real: Callable[..., Any] = getattr(owner, attribute)

    def die(*args: Any, **more: Any) -> Any:
        if side == "after":
            real(*args, **more)
        raise PowerCut

    with patch.object(owner, attribute, die):
        yield


class Story(RuleBasedStateMachine):
    """One order of 120.00, paid by two cards and a credit."""

    server: "SandboxServer"

    @initialize()
    def open(self) -> None:
        """Ada has paid; Grace of Finance and Sam of Support are in."""
        number = Order.objects.count() + 1
        self.promise, self.forms, self.disputed, self.events_read = Promise(), 0, False, 0
        self.grace, self.sam = make_user("grace"), make_user("sam")
        self.grace.groups.add(ensure_roles()["Finance"])
        self.sam.groups.add(ensure_roles()["Support"])
        key = f"sk_test_sandbox_story{number}"
        self.conference = make_conference(f"story-{number}", stripe_secret_key=key, support_refund_limit=Decimal(5))
        self.stripe = Sandbox(self.server.url, key)
        self.order = self._pay(number)
        self.pending: list[tuple[Order, int]] = []

    def _pay(self, number: int) -> Order:
        total = major(self.promise.paid)
        order = Order.objects.create(conference=self.conference, user=make_user("ada"), total=total, subtotal=total)
        for amount in LINES:
            OrderLineItem.objects.create(
                order=order, description="Ticket", unit_price=major(amount), line_total=major(amount)
            )
        gift = self.gift(CREDIT)
        RefundService.apply_credit_as_refund(gift, order, staff_user=self.grace)
        for place, amount in enumerate(CARDS):
            ids = {"stripe_payment_intent_id": f"pi_{number}x{place}", "stripe_charge_id": f"ch_{number}x{place}"}
            Payment.objects.create(order=order, status="SUCCEEDED", amount=major(amount), **ids)
            seeded = {"id": ids["stripe_payment_intent_id"], "charge": ids["stripe_charge_id"], "amount": amount}
            self.stripe.control("seed", payments=[seeded | {"currency": "usd"}])
        Order.objects.filter(pk=order.pk).update(status=Order.Status.PAID)
        order.refresh_from_db()
        return order

    def gift(self, amount: int) -> Credit:
        return CreditService.issue(
            make_user("ada"), self.conference, amount=major(amount), reason="Sorry", staff_user=self.grace
        )

    def live_through(self, cut: str, act: Callable[[], object]) -> bool:
        """Act, perhaps until the power is cut; whether it was done. A refusal is part of the story."""
        try:
            with power_cut(cut) if cut else nullcontext():
                act()
        except RefundError as refusal:
            note(f"-> {refusal.messages[0]}")
        except PowerCut:
            note("-> the power was cut")
        else:
            note("-> done")
            return True
        return False

    @contextmanager
    def day(self, bad_day: str) -> Iterator[None]:
        if bad_day:
            self.server.faults.add({"fault": bad_day, "path": "/v1/refunds", "seconds": LONGER})
        try:
            yield
        finally:
            self.server.faults.clear()

    def refunds(self) -> Any:
        return Refund.objects.filter(order=self.order).order_by("pk")

    def parts(self) -> Any:
        return RefundPart.objects.filter(refund__order=self.order)

    def credit(self, which: int) -> int:
        keys = sorted(self.promise.credits)
        return keys[which % len(keys)]

    @staticmethod
    def one_of(rows: Any, which: int) -> Any:
        found = list(rows)
        return found[which % len(found)] if found else None
