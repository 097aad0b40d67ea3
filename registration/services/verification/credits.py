"""Credits against their entries, and the payments made from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef

from registration.models import Credit, CreditEntry, Payment, RefundPart
from registration.models.refund import ACCEPTED, NOTED
from registration.money import ZERO
from registration.services.key_ranges import Keys, between

Found = Iterator[tuple[str, str]]

Kind = CreditEntry.Kind
EMPTIED_BY = {
    Credit.Status.APPLIED: {Kind.APPLIED, Kind.ADJUSTED},
    Credit.Status.EXPIRED: {Kind.EXPIRED, Kind.ADJUSTED},
    Credit.Status.VOIDED: {Kind.VOIDED, Kind.RECALLED, Kind.ADJUSTED, Kind.PAID_OUT},
    Credit.Status.PAID_OUT: {Kind.PAID_OUT},
}
"""Which last entry may have left nothing of a credit in each status."""


class CreditRow(NamedTuple):
    """What is read of a credit.

    Attributes:
        still_out: Whether money of its refund left the house, or is to, and stayed away.
        is_replaced: Whether a later note records what is left of the same refund.
    """

    pk: int
    status: str
    amount: Decimal
    remaining: Decimal
    currency: str
    conference_currency: str
    refund_currency: str | None
    refund_order_id: int | None
    source_order_id: int | None
    still_out: bool
    is_replaced: bool

    @property
    def number(self) -> str:
        """As staff know it."""
        return f"CR-{self.pk:04d}"


class EntryRow(NamedTuple):
    """What is read of an entry."""

    credit_id: int
    kind: str
    amount: Decimal
    order_id: int | None


class Uses(NamedTuple):
    """What the payments of one credit towards one order say it was used for, and their currencies."""

    amount: Decimal
    currencies: frozenset[str]


def check(low: int, high: int) -> Found:
    """Yield (row, problem) for the credits with keys from ``low`` to ``high``."""
    keys = (low, high)
    entries: dict[int, list[EntryRow]] = defaultdict(list)
    for entry in (EntryRow(*row) for row in _entries(keys)):
        entries[entry.credit_id].append(entry)
    uses = _uses(keys)
    for credit in (CreditRow(*row) for row in _credits(keys)):
        own = entries.get(credit.pk, [])
        for problem in (*_balance(credit, own), *_chain(credit), *_used(credit, own, uses.get(credit.pk, {}))):
            yield f"credit {credit.number}", problem


def _credits(keys: Keys) -> Iterator[tuple[Any, ...]]:
    columns = ("pk", "status", "amount", "remaining_amount", "currency", "conference__currency")
    links = ("refund__currency", "refund__order_id", "source_order_id")
    moved = RefundPart.objects.filter(
        refund=OuterRef("refund"),
        channel__in=[RefundPart.Channel.STRIPE, RefundPart.Channel.MANUAL],
        state__in=NOTED,
    )
    later = Credit.objects.filter(refund=OuterRef("refund"), pk__gt=OuterRef("pk"), status=Credit.Status.PAID_OUT)
    rows = Credit.objects.filter(**between("pk", keys)).order_by("pk")
    rows = rows.annotate(still_out=Exists(moved), is_replaced=Exists(later))
    return iter(rows.values_list(*columns, *links, "still_out", "is_replaced"))


def _entries(keys: Keys) -> Iterator[tuple[Any, ...]]:
    rows = CreditEntry.objects.filter(**between("credit_id", keys)).order_by("pk")
    return iter(rows.values_list("credit_id", "kind", "amount", "order_id"))


def _uses(keys: Keys) -> dict[int, dict[int | None, Uses]]:
    """By credit and order: what its payments took, less what refunds gave back to it."""
    taken: dict[int, dict[int | None, Uses]] = defaultdict(dict)
    paid = Payment.objects.captured().filter(**between("credit_id", keys), method=Payment.Method.CREDIT)
    back = RefundPart.objects.filter(
        **between("payment__credit_id", keys), channel=RefundPart.Channel.CREDIT_RETURN, state__in=ACCEPTED
    )
    for credit_id, order_id, amount, currency in (
        *paid.values_list("credit_id", "order_id", "amount", "currency"),
        *(
            (c, o, -a, k)
            for c, o, a, k in back.values_list("payment__credit_id", "payment__order_id", "amount", "currency")
        ),
    ):
        if credit_id is not None:
            so_far = taken[credit_id].get(order_id, Uses(ZERO, frozenset()))
            taken[credit_id][order_id] = Uses(so_far.amount + amount, so_far.currencies | {currency})
    return taken


def _balance(credit: CreditRow, entries: list[EntryRow]) -> Iterator[str]:
    total = sum((entry.amount for entry in entries), ZERO)
    if credit.remaining != total:
        yield f"{credit.remaining} remains, its entries say {total}"
    issued = sum((entry.amount for entry in entries if entry.kind == Kind.ISSUED), ZERO)
    if credit.amount != issued:
        yield f"is over {credit.amount}, its first entry over {issued}"
    if (total > 0) != (credit.status == Credit.Status.AVAILABLE):
        yield f"is {credit.status} with {total} remaining"
    elif total == 0 and entries and entries[-1].kind not in EMPTIED_BY.get(Credit.Status(credit.status), set()):
        yield f"is {credit.status}, its last entry {entries[-1].kind}"
    elif entries and entries[-1].kind == Kind.PAID_OUT and credit.refund_order_id is not None:
        status = Credit.Status.PAID_OUT if credit.still_out and not credit.is_replaced else Credit.Status.VOIDED
        if credit.status != status:
            yield f"is {credit.status}, its refund says {status}"


def _chain(credit: CreditRow) -> Iterator[str]:
    if credit.currency != credit.conference_currency:
        yield f"is in {credit.currency}, its conference in {credit.conference_currency}"
    if credit.refund_currency is not None and credit.refund_currency != credit.currency:
        yield f"is in {credit.currency}, its refund in {credit.refund_currency}"
    if credit.refund_order_id is not None and credit.refund_order_id != credit.source_order_id:
        yield "comes from another order than its refund"


def _used(credit: CreditRow, entries: list[EntryRow], uses: dict[int | None, Uses]) -> Iterator[str]:
    spent: dict[int | None, Decimal] = defaultdict(lambda: ZERO)
    for entry in entries:
        if entry.kind in (Kind.APPLIED, Kind.RESTORED):
            spent[entry.order_id] -= entry.amount
    for order_id in sorted({*spent, *uses}, key=str):
        paid = uses.get(order_id, Uses(ZERO, frozenset()))
        if spent.get(order_id, ZERO) != paid.amount:
            gave = spent.get(order_id, ZERO)
            yield f"gave {gave} to order key {order_id}, whose payments say {paid.amount}"
        if paid.currencies - {credit.currency}:
            yield f"is in {credit.currency}, but paid in {', '.join(sorted(paid.currencies))}"


def strays() -> Found:
    """Yield rows whose credit is not there, which only somebody who switched the guards off can leave behind."""
    there = Exists(Credit.objects.filter(pk=OuterRef("credit_id")))
    for pk, credit_id in CreditEntry.objects.exclude(there).values_list("pk", "credit_id").iterator():
        yield f"credit CR-{credit_id:04d}", f"is gone, its entry {pk} is still there"
    for model in (Payment, RefundPart):
        rows = model._default_manager.filter(credit_id__isnull=False).exclude(there).order_by("pk")
        for pk, credit_id in rows.values_list("pk", "credit_id").iterator():
            yield f"credit CR-{credit_id:04d}", f"is gone, {model._meta.verbose_name} {pk} names it"
