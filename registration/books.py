"""Double-entry books over what moved: every movement debits one account and credits another. Reads only.

There is no journal beside the tables: a second copy could disagree with them. Each kind of movement is one queryset
below (payments, refund parts, credit entries), which says for each of its rows when it moved and between which two
accounts. The account of an order, the trial balance of a conference and ``verify_ledger`` are all read from these, so
no figure is counted twice. ``docs/books.md`` lists what each movement posts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, TextChoices, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from registration.models import Credit, CreditEntry, Order, Payment, Refund, RefundPart
from registration.models.refund import ACCEPTED, OVER
from registration.money import ZERO, quantize_money


class Account(TextChoices):
    """Who holds, owes or earns what; a debit is written as a positive amount, a credit as a negative one."""

    CARD = "card", _("Card clearing (Stripe)")
    TERMINAL = "terminal", _("Terminal")
    MANUAL = "manual", _("By hand")
    CREDITS = "credits", _("Credits owed")
    SALES = "sales", _("Sales")
    REFUNDS = "refunds", _("Refunds")
    EXTERNAL = "external", _("Refunds made at Stripe")
    COMPLIMENTARY = "complimentary", _("Complimentary")
    GOODWILL = "goodwill", _("Goodwill")
    EXPIRED = "expired", _("Expired credit")
    ADJUSTED = "adjusted", _("Adjusted and voided credit")
    BEFORE = "before", _("From before these books")


class Kind(TextChoices):
    """What moved."""

    PAYMENT = "payment", _("Payment arrived")
    REFUNDED_BEFORE = "refunded_before", _("Refunded before it came here")
    REFUND = "refund", _("Refund accepted")
    CAME_BACK = "came_back", _("Refund came back")
    ISSUED = "issued", _("Credit issued")
    APPLIED = "applied", _("Credit applied")
    RESTORED = "restored", _("Credit restored")
    LAPSED = "expired", _("Credit expired")
    VOIDED = "voided", _("Credit voided")
    RECALLED = "recalled", _("Credit taken back")
    CHANGED = "adjusted", _("Credit adjusted")
    PAID_OUT = "paid_out", _("Credit paid to the card")


class Movement(NamedTuple):
    """One movement between two accounts; ``amount`` is never negative."""

    order_id: int | None
    at: datetime
    kind: str
    debit: str
    credit: str
    amount: Decimal
    row: int


@dataclass(frozen=True)
class Posting:
    """A kind of row that moves money, and how its columns are read.

    Attributes:
        rows: The rows, annotated with ``moved_at``, ``moved_kind``, ``debit`` and ``credited``; built once, for that
            takes longer than to ask.
        order: The path to the key of their order.
        conference: The path to their conference.
    """

    rows: Callable[[], QuerySet[Any]]
    order: str
    conference: str

    def of_orders(self, keys: list[int]) -> QuerySet[Any]:
        """Those of some orders, in no order."""
        return self.rows().filter(**{f"{self.order}__in": keys}).order_by()

    @property
    def columns(self) -> tuple[str, ...]:
        """What makes a movement of a row."""
        return (self.order, "moved_at", "moved_kind", "debit", "credited", "amount", "pk")


Entry = CreditEntry.Kind
Channel = RefundPart.Channel
BY_METHOD = {
    Payment.Method.STRIPE: Account.CARD,
    Payment.Method.TERMINAL: Account.TERMINAL,
    Payment.Method.MANUAL: Account.MANUAL,
    Payment.Method.COMP: Account.COMPLIMENTARY,
}


def _word(word: str) -> Value:
    return Value(str(word), output_field=CharField())


def _choose(*choices: tuple[Q, str], otherwise: str) -> Case:
    """The account of the first condition that holds."""
    whens = [When(condition, then=_word(account)) for condition, account in choices]
    return Case(*whens, default=_word(otherwise), output_field=CharField())


def _payments(rows: QuerySet[Any], kind: str, **sides: Any) -> QuerySet[Any]:
    at = Coalesce("received_at", "created_at")
    moved: QuerySet[Any] = rows.annotate(moved_at=at, moved_kind=_word(kind), **sides)
    return moved


def _tender() -> Case:
    # Credit that nobody knows any more was owed before these books began.
    return _choose(*((Q(method=method), account) for method, account in BY_METHOD.items()), otherwise=Account.BEFORE)


@cache
def _arrived() -> QuerySet[Any]:
    """Money that came in; what a known credit paid is posted by the credit's own entries."""
    rows = Payment.objects.captured().exclude(method=Payment.Method.CREDIT, credit__isnull=False)
    return _payments(rows, Kind.PAYMENT, debit=_tender(), credited=_word(Account.SALES))


@cache
def _gone_before() -> QuerySet[Any]:
    """Payments that came here refunded: an import knows that they went back, and not how."""
    rows = Payment.objects.filter(status=Payment.Status.REFUNDED).exclude(
        Exists(RefundPart.objects.filter(payment=OuterRef("pk")))
    )
    return _payments(rows, Kind.REFUNDED_BEFORE, debit=_word(Account.REFUNDS), credited=_tender())


SENT = Q(channel__in=[Channel.STRIPE, Channel.MANUAL])
"""What becomes or goes back to credit is posted by the credit's entries."""


def _went_back() -> Case:
    return _choose((Q(refund__source=Refund.Source.EXTERNAL), Account.EXTERNAL), otherwise=Account.REFUNDS)


def _way() -> Case:
    return _choose((Q(channel=Channel.STRIPE), Account.CARD), otherwise=Account.MANUAL)


def _parts(rows: QuerySet[Any], kind: str, at: Coalesce, **sides: Any) -> QuerySet[Any]:
    moved: QuerySet[Any] = rows.annotate(moved_at=at, moved_kind=_word(kind), **sides)
    return moved


@cache
def _accepted() -> QuerySet[Any]:
    """Refunds that left, whether or not they came back since."""
    was_accepted = Q(state__in=ACCEPTED) | Q(state__in=OVER, accepted_at__isnull=False)
    at = Coalesce("accepted_at", "sent_at", "created_at")
    return _parts(RefundPart.objects.filter(SENT & was_accepted), Kind.REFUND, at, debit=_went_back(), credited=_way())


@cache
def _came_back() -> QuerySet[Any]:
    """Refunds that failed or were cancelled after they had left."""
    rows = RefundPart.objects.filter(SENT, state__in=OVER, accepted_at__isnull=False)
    at = Coalesce("settled_at", "created_at")
    return _parts(rows, Kind.CAME_BACK, at, debit=_way(), credited=_went_back())


USES = Q(kind__in=[Entry.APPLIED, Entry.RESTORED])


@cache
def _used() -> QuerySet[Any]:
    """Credit that an order took or gave back."""
    return _entries(CreditEntry.objects.filter(USES))


@cache
def _owed() -> QuerySet[Any]:
    """Credit that came to be owed, or ceased to be.

    A note that records a card refund was never owed: its two entries at its birth say nothing.
    """
    at_birth = Q(created_at=F("credit__created_at"))
    born_paid_out = CreditEntry.objects.filter(
        credit=OuterRef("credit"), kind=Entry.PAID_OUT, created_at=OuterRef("credit__created_at")
    )
    may_be_note = Q(credit__kind=Credit.Kind.REFUND, credit__status__in=[Credit.Status.PAID_OUT, Credit.Status.VOIDED])
    rows = CreditEntry.objects.exclude(USES).exclude(at_birth & Q(kind=Entry.PAID_OUT))
    return _entries(rows.exclude(Q(kind=Entry.ISSUED) & may_be_note & Exists(born_paid_out)))


def _entries(rows: QuerySet[Any]) -> QuerySet[Any]:
    moved: QuerySet[Any] = rows.annotate(
        moved_at=F("created_at"),
        moved_kind=_choose(*((Q(kind=kind), str(kind).lower()) for kind in Entry), otherwise=Kind.CHANGED),
        debit=_counterpart(),
        credited=_word(Account.CREDITS),
    )
    return moved


def _counterpart() -> Case:
    """What stands against the credit owed; the entry's sign says which way it went."""
    gift = Q(credit__kind=Credit.Kind.GOODWILL)
    # A note without a refund row counts as refunded by itself, and voided only as far as it was used.
    loose = ~gift & Q(credit__refund__isnull=True)
    unlinked = loose & Q(credit__source_order__isnull=True)
    loose_and_voided = loose & Q(credit__status=Credit.Status.VOIDED)
    not_paid_any_more = Q(payment__isnull=False) & ~Q(payment__status__in=Payment.CAPTURED)
    return _choose(
        (Q(kind=Entry.APPLIED) | (Q(kind=Entry.RESTORED) & not_paid_any_more), Account.SALES),
        (Q(kind__in=[Entry.RESTORED, Entry.PAID_OUT, Entry.RECALLED]), Account.REFUNDS),
        (Q(kind__in=[Entry.ISSUED, Entry.VOIDED]) & gift, Account.GOODWILL),
        (Q(kind__in=[Entry.ISSUED, Entry.VOIDED]) & unlinked, Account.BEFORE),
        (Q(kind=Entry.ISSUED) | loose_and_voided, Account.REFUNDS),
        (Q(kind=Entry.EXPIRED), Account.EXPIRED),
        otherwise=Account.ADJUSTED,
    )


POSTINGS = (
    Posting(_arrived, "order_id", "order__conference"),
    Posting(_gone_before, "order_id", "order__conference"),
    Posting(_accepted, "payment__order_id", "payment__order__conference"),
    Posting(_came_back, "payment__order_id", "payment__order__conference"),
    Posting(_used, "order_id", "credit__conference"),
    Posting(_owed, "credit__source_order_id", "credit__conference"),
)


def movements_of(order: Order) -> list[Movement]:
    """Every movement of one order, oldest first, in one question."""
    sql, values = _account_statement(connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql, [order.pk if value == ANY_ORDER else value for value in values])
        rows = [_movement(*row) for row in cursor.fetchall()]
    return sorted(rows, key=lambda movement: (movement.at, movement.row))


ANY_ORDER = -1


@cache
def _account_statement(vendor: str) -> tuple[str, tuple[Any, ...]]:
    """The statement for one order and its values; written once, for writing it takes many times as long as asking."""
    first, *rest = (posting.of_orders([ANY_ORDER]).values_list(*posting.columns) for posting in POSTINGS)
    sql, values = first.union(*rest, all=True).query.sql_with_params()
    return sql, tuple(values)


def _read_moment(value: datetime | str) -> datetime:
    """SQLite keeps moments as text, in UTC."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _movement(
    order_id: int | None, at: datetime | str, kind: str, debit: str, credit: str, amount: Any, row: int
) -> Movement:
    signed = quantize_money(amount)
    sides = (credit, debit) if signed < 0 else (debit, credit)
    return Movement(order_id, _read_moment(at), kind, *sides, abs(signed), row)


def balances(movements: Iterable[Movement]) -> dict[str, Decimal]:
    """What each account holds after some movements: debits less credits; together they are zero."""
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for movement in movements:
        sums[movement.debit] += movement.amount
        sums[movement.credit] -= movement.amount
    return dict(sums)


def balances_by_order(keys: list[int]) -> dict[int, dict[str, Decimal]]:
    """The same for many orders at once, read a row at a time."""
    sums: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for posting in POSTINGS:
        for order_id, debit, credit, amount in posting.of_orders(keys).values_list(
            posting.order, "debit", "credited", "amount"
        ):
            sums[order_id][debit] += amount
            sums[order_id][credit] -= amount
    return sums


def paid_in(held: dict[str, Decimal]) -> Decimal:
    """What an order was paid, by its account."""
    return -held.get(Account.SALES, ZERO)


def gone_from(held: dict[str, Decimal]) -> Decimal:
    """What went back of an order, from this desk or at Stripe, by its account."""
    return held.get(Account.REFUNDS, ZERO) + held.get(Account.EXTERNAL, ZERO)
