"""Movements as a file tells them, with what finds the same money at Stripe, at the bank and here. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from registration.books import POSTINGS, Kind, Posting
from registration.kept_query import made_or_none
from registration.models import Conference, Credit, Order, Refund
from registration.money import quantize_money
from registration.said import Sentence, reason_in_words, stripe_reason_in_words
from registration.sentences import person

PERSON = ("id", "first_name", "last_name", "username")
OF_PAYMENT = {
    "payment_intent": "stripe_payment_intent_id",
    "charge": "stripe_charge_id",
    "reference": "reference",
    "reason": "note",
    "who": "created_by",
}
OF_PART = {
    "refund": "refund_id",
    "store_credit": "credit_id",
    "stripe_refund": "stripe_refund_id",
    "payment_intent": "payment__stripe_payment_intent_id",
    "charge": "payment__stripe_charge_id",
    "reference": "trace_reference",
    "reason": "refund__reason",
    "stripe_reason": "refund__stripe_reason",
    "who": "refund__requested_by",
    "approved_by": "refund__decided_by",
}
USED = {"store_credit": "credit_id", "reason": "reason", "who": "actor"}
OWED = USED | {"refund": "credit__refund_id", "approved_by": "credit__refund__decided_by"}
"""Where each kind of row has what is told of it."""
PEOPLE = ("who", "approved_by")
"""What of it leads to a person."""
NUMBER = re.compile("RF-[0-9]+")
"""An entry of credit that a refund restored has the refund's number as its reason, and no other entry of its kind."""
NUMBERED: dict[str, Any] = {"refund": Refund, "store_credit": Credit}
APPROVED = (Kind.REFUND, Kind.CAME_BACK, Kind.ISSUED)
"""What a refund moved by itself; what became of its credit later, nobody approved with it."""
TOLD = (OF_PAYMENT, OF_PAYMENT, OF_PART, OF_PART, USED, OWED)


@dataclass(frozen=True)
class MovementLine:
    """One movement: when, what, on which order (its reference), between which accounts, and what it belongs to.

    Attributes:
        amount: In the conference's currency, never negative.
        refund: Number of the refund that moved or restored it, or that the credit was issued for.
        store_credit: Number of the credit that it moved or that was issued with it.
        reference: Of a payment or a transfer made by hand; of a card refund, the bank's.
        who: Whoever recorded the payment, asked for the refund or moved the credit; empty for nobody.
        approved_by: The second person, who let a refund go ahead that ``who`` proposed.
        reason: The house's or a person's own words; without one, ``stripe_reason`` says what Stripe was told.
    """

    at: datetime
    kind: str
    order: str
    debit: str
    credit: str
    amount: Decimal
    refund: str = ""
    store_credit: str = ""
    stripe_refund: str = ""
    payment_intent: str = ""
    charge: str = ""
    reference: str = ""
    who: str = ""
    reason: Sentence = ""
    stripe_reason: str = ""
    approved_by: str = ""

    @property
    def why(self) -> str:
        """The reason in the reader's language."""
        return reason_in_words(self.reason) or (
            stripe_reason_in_words(self.stripe_reason) if self.stripe_reason else ""
        )


def lines_between(conference: Conference, since: datetime | None, until: datetime | None) -> Iterator[MovementLine]:
    """Every movement of a conference in a period, kind by kind and oldest first, read a row at a time."""
    for posting, told in zip(POSTINGS, TOLD, strict=True):
        rows = posting.rows().filter(**{posting.conference: conference})
        rows = rows.filter(moved_at__gte=since) if since is not None else rows
        rows = rows.filter(moved_at__lt=until) if until is not None else rows
        yield from _lines(posting, told, rows.order_by("moved_at", "pk"))


def lines_of(order: Order) -> list[MovementLine]:
    """Every movement of one order, oldest first."""
    found = [
        line
        for posting, told in zip(POSTINGS, TOLD, strict=True)
        for line in _lines(posting, told, posting.of_orders([order.pk]).order_by("pk"))
    ]
    return sorted(found, key=lambda line: line.at)


def _lines(posting: Posting, told: Mapping[str, str], rows: QuerySet[Any]) -> Iterator[MovementLine]:
    reference = posting.order.removesuffix("_id") + "__reference"
    columns = ("moved_at", "moved_kind", reference, "debit", "credited", "amount")
    facts = {name: path for name, path in told.items() if name not in PEOPLE}
    named = [name for name in PEOPLE if name in told]
    people = (f"{told[name]}__{column}" for name in named for column in PERSON)
    for row in rows.values_list(*columns, *facts.values(), *people).iterator():
        values = iter(row)
        at, kind, order, debit, credit, amount = (next(values) for _column in columns)
        sides = (credit, debit) if amount < 0 else (debit, credit)
        known = {name: _told(name, next(values)) for name in facts}
        known |= {name: _person(values) for name in named}
        if kind not in APPROVED:
            known["approved_by"] = ""
        if kind == Kind.RESTORED and NUMBER.fullmatch(str(known["reason"])):
            known["refund"] = str(known["reason"])
        yield MovementLine(at, kind, order or "", *sides, quantize_money(abs(amount)), **known)


def _person(values: Iterator[Any]) -> str:
    who = made_or_none(get_user_model(), PERSON, values)
    return person(who) if who else ""


def _told(name: str, value: Any) -> Any:
    """A value, with the number that staff quote in place of a key."""
    return NUMBERED[name](pk=value).number if value and name in NUMBERED else value or ""
