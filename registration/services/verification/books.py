"""Accounts against the sums of the rows: what was paid and what went back, order by order and over a conference."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from registration.books import Account, gone_from, paid_in
from registration.models import Conference, Credit, Order
from registration.money import ZERO, quantize_money
from registration.services.key_ranges import between
from registration.trial_balance import TrialBalance, trial_balance


def of_order(held: dict[str, Decimal], *, paid: Decimal, refunded: Decimal) -> Iterator[str]:
    """Yield how the account of one order disagrees with what its rows add up to."""
    if total := sum(held.values(), ZERO):
        yield f"its account does not balance: {total} is left over"
    if paid_in(held) != paid:
        yield f"paid is {paid} by its payments, {paid_in(held)} by its account"
    if gone_from(held) != refunded:
        yield f"refunded is {refunded} by its refunds, {gone_from(held)} by its account"


def check(low: int, high: int) -> Iterator[tuple[str, str]]:
    """Yield (row, problem) for the trial balances of the conferences with keys from ``low`` to ``high``."""
    for conference in Conference.objects.filter(**between("pk", (low, high))).order_by("pk"):
        for problem in _of_conference(conference, trial_balance(conference, None)):
            yield f"trial balance of {conference.slug}", problem


def _of_conference(conference: Conference, trial: TrialBalance) -> Iterator[str]:
    if trial.closing:
        yield f"does not balance: {trial.closing} is left over"
    orders = Order.objects.filter(conference=conference)
    kept = orders.aggregate(paid=Sum("paid_amount"), refunded=Sum("refunded_amount"))
    owed = Credit.objects.filter(conference=conference).aggregate(owed=Sum("remaining_amount"))
    pairs: tuple[tuple[str, Any, Decimal], ...] = (
        ("paid", kept["paid"], -trial.held(Account.SALES)),
        ("refunded", kept["refunded"], trial.held(Account.REFUNDS, Account.EXTERNAL)),
        ("owed as credit", owed["owed"], -trial.held(Account.CREDITS)),
    )
    for name, amount, posted in pairs:
        if quantize_money(amount) != posted:
            yield f"{name} is {quantize_money(amount)} by the rows, {posted} by the accounts"
