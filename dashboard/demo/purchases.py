"""Orders, what was paid for them, and beside each card payment what the Stripe sandbox must know about it."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from dashboard.demo.people import Buyer
from registration.models import (
    Conference,
    Credit,
    CreditEntry,
    Note,
    OpenItem,
    Order,
    OrderLineItem,
    Payment,
    Refund,
    RefundLine,
    RefundPart,
)
from registration.models.order import REFERENCE_ALPHABET
from registration.money import ZERO, quantize_money, split_by_weight, to_minor_units

Seed = dict[str, Any]

BRANDS = ("visa",) * 4 + ("mastercard",) * 3 + ("amex",)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an order's history to come; facts that are rows become their numbers once they have one."""

    order: Order
    at: datetime
    kind: str
    facts: dict[str, Any]
    actor: User | None = None
    refund: Refund | None = None


class Purchases:
    """Rows that are not saved yet, in the order in which they were made up."""

    def __init__(self, rng: random.Random, now: datetime) -> None:
        """Start empty; nothing that is made up happens after ``now``."""
        self.rng, self.now = rng, now
        self.orders: list[Order] = []
        self.lines: list[OrderLineItem] = []
        self.payments: list[Payment] = []
        self.refunds: list[Refund] = []
        self.parts: list[RefundPart] = []
        self.refund_lines: list[RefundLine] = []
        self.credits: list[Credit] = []
        self.entries: list[CreditEntry] = []
        self.notes: list[Note] = []
        self.items: list[tuple[OpenItem, Any]] = []
        self.events: list[Event] = []
        self.seeds: dict[str, list[Seed]] = {}
        self.seed_of: dict[int, Seed] = {}
        self.issued: dict[uuid.UUID, Credit] = {}
        """Spendable credits by the refund they came with."""
        self.left: dict[int, Decimal] = {}
        """What can still go back of an order, by its identity."""
        self._paid: dict[int, Decimal] = {}
        self._references: set[str] = set()

    def stripe_id(self, prefix: str) -> str:
        """An id that bears the sandbox's mark."""
        letters = string.ascii_letters + string.digits
        return f"{prefix}_sim_" + "".join(self.rng.choices(letters, k=20))

    def order(
        self,
        conference: Conference,
        buyer: Buyer,
        at: datetime,
        lines: Sequence[tuple[str, int, Decimal]],
        *,
        voucher: tuple[str, int] | None = None,
        status: str = Order.Status.PAID,
        hold_expires_at: datetime | None = None,
    ) -> Order:
        """An order with its lines; ``voucher`` is a code and how many percent it takes off."""
        subtotal = quantize_money(sum((price * quantity for _what, quantity, price in lines), ZERO))
        code, percent = voucher or ("", 0)
        weights = [Decimal(percent), Decimal(100 - percent)]
        discount = split_by_weight(subtotal, weights, conference.currency)[0] if percent else ZERO
        order = Order(
            conference=conference,
            user=buyer.user,
            status=status,
            subtotal=subtotal,
            discount_amount=discount,
            total=subtotal - discount,
            voucher_code=code,
            billing_name=buyer.name,
            billing_email=buyer.user.email,
            billing_company=buyer.company,
            reference=self._reference(),
            hold_expires_at=hold_expires_at,
            created_at=at,
            updated_at=at,
        )
        self.orders.append(order)
        self._add_lines(order, lines, discount)
        self.say(order, at, "order_placed", amount=order.total)
        return order

    def _add_lines(self, order: Order, lines: Sequence[tuple[str, int, Decimal]], discount: Decimal) -> None:
        prices = [price * quantity for _what, quantity, price in lines]
        shares = split_by_weight(discount, prices, order.conference.currency) if discount else [ZERO] * len(lines)
        for (what, quantity, price), share in zip(lines, shares, strict=True):
            self.lines.append(
                OrderLineItem(
                    order=order,
                    description=what,
                    quantity=quantity,
                    unit_price=price,
                    discount_amount=share,
                    line_total=price * quantity - share,
                )
            )

    def _reference(self) -> str:
        while (reference := "ORD-" + "".join(self.rng.choices(REFERENCE_ALPHABET, k=6))) in self._references:
            continue
        self._references.add(reference)
        return reference

    def pay_card(
        self,
        order: Order,
        amount: Decimal,
        at: datetime,
        *,
        status: str = Payment.Status.SUCCEEDED,
        card: tuple[str, str] | None = None,
        **seed: Any,
    ) -> Payment:
        """A card payment that the sandbox knows as well.

        Args:
            order: What is paid.
            amount: In the order's currency, major units.
            at: When.
            status: How it went.
            card: Brand and last four digits.
            seed: Further keys for the sandbox: ``payment_method``, ``dispute``, ``fault``.
        """
        brand, last4 = card or (self.rng.choice(BRANDS), f"{self.rng.randrange(10_000):04}")
        captured = status == Payment.Status.SUCCEEDED
        payment = Payment(
            order=order,
            method=Payment.Method.STRIPE,
            status=status,
            amount=amount,
            stripe_payment_intent_id=self.stripe_id("pi"),
            stripe_charge_id=self.stripe_id("ch") if captured else "",
            card_brand=brand if captured else "",
            card_last4=last4 if captured else "",
            livemode=False,
            created_at=at,
        )
        self._add_payment(payment, at)
        self._seed(payment, at, brand, last4, captured, seed)
        return payment

    def _seed(
        self, payment: Payment, at: datetime, brand: str, last4: str, captured: bool, extra: dict[str, Any]
    ) -> None:
        order = payment.order
        seed = {
            "id": payment.stripe_payment_intent_id,
            "charge": payment.stripe_charge_id or None,
            "amount": to_minor_units(payment.amount, order.conference.currency),
            "currency": order.conference.currency.lower(),
            "status": "succeeded" if captured else "requires_payment_method",
            "created": int(at.timestamp()),
            "brand": brand,
            "last4": last4,
            "description": f"{order.conference.name}, {order.reference}",
            "metadata": {"order": order.reference},
            "billing_name": order.billing_name,
            "billing_email": order.billing_email,
            "refunds": [],
            **extra,
        }
        self.seed_of[id(payment)] = seed
        self.seeds.setdefault(order.conference.slug, []).append(seed)

    def pay(
        self,
        order: Order,
        method: str,
        amount: Decimal,
        at: datetime,
        *,
        reference: str = "",
        note: str = "",
        by: User | None = None,
        credit: Credit | None = None,
    ) -> Payment:
        """A payment that Stripe has nothing to do with."""
        payment = Payment(
            order=order,
            method=method,
            status=Payment.Status.SUCCEEDED,
            amount=amount,
            reference=reference,
            note=note,
            created_by=by,
            credit=credit,
            created_at=at,
        )
        self._add_payment(payment, at, by)
        return payment

    def _add_payment(self, payment: Payment, at: datetime, by: User | None = None) -> None:
        self.payments.append(payment)
        if not payment.is_captured:
            return
        order_key = id(payment.order)
        self._paid[order_key] = self.paid_so_far(payment.order) + payment.amount
        if payment.method != Payment.Method.COMP:
            self.left[order_key] = self.left.get(order_key, ZERO) + payment.amount
        if payment.method != Payment.Method.CREDIT:
            self.say(payment.order, at, "payment_received", by, amount=payment.amount, instrument=payment.tender)

    def paid_so_far(self, order: Order) -> Decimal:
        """What arrived for an order, in its currency."""
        return self._paid.get(id(order), ZERO)

    def item(
        self,
        kind: str,
        about: Any,
        at: datetime,
        *,
        order: Order | None = None,
        refund: Refund | None = None,
        payment: Payment | None = None,
        conference: Conference | None = None,
        **facts: Any,
    ) -> OpenItem:
        """An open item about a row, or about a Stripe id."""
        where = conference or (order.conference if order else None)
        if where is not None and "amount" in facts:
            facts["currency"] = where.currency
        item = OpenItem(
            conference=where,
            order=order,
            refund=refund,
            payment=payment,
            kind=kind,
            facts={key: str(value) for key, value in facts.items()},
            opened_at=at,
        )
        self.items.append((item, about))
        return item

    def note(self, order: Order, text: str, at: datetime, by: User) -> None:
        """A remark of staff."""
        self.notes.append(Note(conference=order.conference, order=order, text=text, author=by, created_at=at))
        self.say(order, at, "note_added", by, note=text)

    def say(
        self,
        order: Order,
        at: datetime,
        kind: str,
        actor: User | None = None,
        refund: Refund | None = None,
        **facts: Any,
    ) -> None:
        """One line of the order's history."""
        if "amount" in facts:
            facts["currency"] = order.conference.currency
        self.events.append(Event(order, at, kind, facts, actor, refund))
