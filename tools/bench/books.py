"""The tables of a season, and how its orders, refunds and credits become rows of them."""

from __future__ import annotations

import random
import uuid
from hashlib import sha256
from json import JSONEncoder
from typing import Any

from django.contrib.auth import get_user_model

from registration.models import (
    Conference,
    Credit,
    CreditEntry,
    HistoryEntry,
    OpenItem,
    Order,
    OrderLineItem,
    Payment,
    Refund,
    RefundPart,
    StripeEvent,
)
from registration.models.order import REFERENCE_ALPHABET
from registration.search import search_text_of
from tools.bench.people import Person, make_person
from tools.bench.rows import Table, iso, moment, money
from tools.bench.sale import Event, Note, Sale, Tender

encode = JSONEncoder(sort_keys=True).encode


class Books:
    """Every table, in an order in which parents come first, and the dice."""

    def __init__(self, conference: Conference, staff_ids: list[int], seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - the same season every time, nothing secret.
        self.conference, self.staff_ids = conference, staff_ids
        self.users = Table(get_user_model())
        self.orders, self.lines = Table(Order), Table(OrderLineItem)
        self.refunds, self.credits, self.payments = Table(Refund), Table(Credit), Table(Payment)
        self.parts, self.entries, self.history = Table(RefundPart), Table(CreditEntry), Table(HistoryEntry)
        self.items, self.stripe_events = Table(OpenItem), Table(StripeEvent)
        self.tables = [
            *(self.users, self.orders, self.lines, self.refunds, self.credits, self.payments),
            *(self.parts, self.entries, self.history, self.items, self.stripe_events),
        ]

    def stripe_id(self, prefix: str) -> str:
        """An id as Stripe's stand-in makes them."""
        return f"{prefix}_sim_{self.dice.getrandbits(100):025x}"

    def meet(self, at: int) -> Person:
        """An attendee who was not there before."""
        person = make_person(self.dice, self.users.next_key())
        self.users.add(
            id=person.user_id,
            username=f"attendee-{person.user_id}",
            password="!",  # noqa: S106 - nobody can sign in with it.
            first_name=person.first,
            last_name=person.last,
            email=person.email,
            date_joined=moment(at),
        )
        return person

    def sale(self, person: Person, at: int, total: int, **fields: Any) -> Sale:
        """An order that is placed."""
        key = self.orders.next_key()
        # Part dice, part key: unlike every other, and not in their order.
        letters = "".join(self.dice.choices(REFERENCE_ALPHABET, k=4))
        fields = {"reference": f"ORD-{letters}{key:X}"} | fields
        sale = Sale(key, person, at=at, total=total, **fields)
        sale.events.append(Event(at, "order_placed", self.facts(total)))
        return sale

    def facts(self, amount: int, **more: str) -> dict[str, str]:
        """What most sentences need."""
        return {"amount": money(amount), "currency": self.conference.currency, **more}

    def save_sale(self, sale: Sale) -> None:
        """Write an order down, with its lines, payments and history."""
        self.orders.add(
            id=sale.id,
            conference_id=self.conference.pk,
            user_id=sale.person.user_id,
            status=sale.settled_status,
            currency=self.conference.currency,
            subtotal=money(sale.total),
            total=money(sale.total),
            billing_name=sale.person.name,
            billing_email=sale.person.email,
            billing_company=sale.person.company,
            reference=sale.reference,
            hold_expires_at=moment(sale.hold_until) if sale.hold_until else None,
            created_at=moment(sale.at),
            updated_at=moment(sale.at),
            paid_amount=money(sale.paid),
            refunded_amount=money(sale.refunded),
            reserved_amount=money(sale.reserved),
            refundable_amount=money(sale.refundable),
            search_text=search_text_of(
                *(sale.reference, sale.person.name, sale.person.email, sale.person.company),
                *(tender.last4 for tender in sale.tenders),
            ),
            history_length=len(sale.events),
        )
        workshop = sale.total // 4 if sale.total > 50_000 else 0
        for what, amount in (("Conference pass", sale.total - workshop), ("Workshop", workshop)):
            if amount:
                self.lines.add(order_id=sale.id, description=what, unit_price=money(amount), line_total=money(amount))
        for tender in sale.tenders:
            self._save_tender(sale, tender)
        self._save_history(sale)

    def _save_tender(self, sale: Sale, tender: Tender) -> None:
        self.payments.add(
            id=tender.id,
            order_id=sale.id,
            method=tender.method,
            status=tender.status,
            amount=money(tender.amount),
            currency=self.conference.currency,
            stripe_payment_intent_id=tender.intent,
            stripe_charge_id=tender.charge,
            card_brand=tender.brand,
            card_last4=tender.last4,
            livemode=0 if tender.intent else None,
            dispute=tender.dispute,
            credit_id=tender.credit_id,
            created_at=moment(tender.at),
            refunded_amount=money(tender.refunded),
            reserved_amount=money(tender.reserved),
            refundable_amount=money(tender.refundable),
        )

    def _save_history(self, sale: Sale) -> None:
        digest = ""
        for position, event in enumerate(sorted(sale.events, key=lambda event: event.at), start=1):
            facts = encode(event.facts)
            text = (
                f'["{digest}", {sale.id}, {position}, "{event.kind}", {facts}, '
                f'{_null(event.actor_id)}, {_null(event.refund_id)}, "{iso(event.at)}"]'
            )
            digest = sha256(text.encode()).hexdigest()
            self.history.add(
                order_id=sale.id,
                position=position,
                kind=event.kind,
                facts=facts,
                actor_id=event.actor_id,
                refund_id=event.refund_id,
                created_at=moment(event.at),
                digest=digest,
            )

    def save_note(self, note: Note) -> None:
        """Write a credit down, with its movements."""
        self.credits.add(
            id=note.id,
            user_id=note.user_id,
            conference_id=self.conference.pk,
            kind=note.kind,
            amount=money(note.amount),
            remaining_amount=money(note.remaining),
            currency=self.conference.currency,
            status=note.status,
            source_order_id=note.source_order_id,
            applied_to_order_id=note.applied_to_order_id,
            refund_id=note.refund_id,
            expires_at=moment(note.expires_at) if note.expires_at else None,
            created_at=moment(note.at),
            updated_at=moment(note.at),
        )
        for entry in note.entries:
            self.entries.add(
                credit_id=note.id,
                kind=entry["kind"],
                amount=money(entry["amount"]),
                order_id=entry["order_id"],
                payment_id=entry["payment_id"],
                created_at=moment(entry["at"]),
            )

    def uuid(self) -> str:
        """A unique id from the dice."""
        return uuid.UUID(int=self.dice.getrandbits(128), version=4).hex


def _null(value: int | None) -> str:
    return "null" if value is None else str(value)
