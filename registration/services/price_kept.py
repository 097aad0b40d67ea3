"""What of an order's price nobody has given up: a refund of a surplus must leave that much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from registration.models import HistoryEntry, OpenItem, Order, Refund
from registration.models.refund import UNDER_WAY, State
from registration.money import ZERO

DECIDED = (*UNDER_WAY, State.SUCCEEDED)
"""What counts as given back; a proposal may still be rejected."""


@dataclass(frozen=True)
class Family:
    """A refund and all that tried the same money again; amounts in the order's currency."""

    keys: frozenset[int]
    lines_amount: Decimal
    """What it was for of the line items. A retry need not name them again."""
    decided_amount: Decimal
    proposed_amount: Decimal
    is_for_surplus: bool

    @property
    def given_up_amount(self) -> Decimal:
        """What went back because a line item was given up; a fee that was kept did not."""
        return min(self.lines_amount, self.decided_amount)


def families_beside(order: Order, family: Collection[Refund]) -> list[Family]:
    """All refunds of an order by what they are about, but for one family."""
    parents = dict(order.refunds.values_list("pk", "retry_of"))
    members: dict[int, list[Refund]] = defaultdict(list)
    for refund in order.refunds.prefetch_related("lines", "parts").exclude(pk__in=[each.pk for each in family]):
        members[_first_of(refund.pk, parents)].append(refund)
    for_surplus = refunds_for_surplus(order)
    return [_family(refunds, for_surplus) for refunds in members.values()]


def refunds_for_surplus(order: Order) -> set[int]:
    """The keys of the refunds that were decided for a surplus; the item itself names only the last of several."""
    decided = HistoryEntry.objects.filter(order=order, facts__for_kind=OpenItem.Kind.OVERPAID)
    return set(decided.values_list("refund", flat=True))


def price_kept(order: Order, beside: Iterable[Family]) -> Decimal:
    """How much of the total must stay, in the order's currency, after all that others gave back.

    Nothing once the whole price went back. A refund that names no line items may have given back a surplus instead, but
    not where too little stays for the order, nor of one that was cancelled.
    """
    beside = list(beside)
    gone = sum((each.decided_amount for each in beside), ZERO)
    of_the_price = sum((each.decided_amount for each in beside if not each.is_for_surplus), ZERO)
    is_ended = order.status == Order.Status.CANCELLED or order.paid_amount - gone < order.total
    if is_ended and of_the_price >= order.total:
        return ZERO
    given_up = sum((each.given_up_amount for each in beside), ZERO)
    kept: Decimal = max(ZERO, order.total - given_up)
    return kept


def _first_of(key: int, parents: dict[int, int | None]) -> int:
    while (parent := parents.get(key)) is not None:
        key = parent
    return key


def _family(refunds: Collection[Refund], for_surplus: Collection[int]) -> Family:
    keys = frozenset(refund.pk for refund in refunds)
    named = (sum((line.amount for line in refund.lines.all()), ZERO) for refund in refunds)
    return Family(
        keys=keys,
        lines_amount=max(named),
        decided_amount=_sum_in(refunds, DECIDED),
        proposed_amount=_sum_in(refunds, (State.AWAITING_APPROVAL,)),
        is_for_surplus=not keys.isdisjoint(for_surplus),
    )


def _sum_in(refunds: Iterable[Refund], states: Collection[str]) -> Decimal:
    amounts = (part.amount for refund in refunds for part in refund.parts.all() if part.state in states)
    return sum(amounts, ZERO)
