"""The account's money: balance transactions and what is available."""

from __future__ import annotations

from .context import Context
from .ids import new_id
from .store import Record

# So that refunds work in an account that has just been seeded. Setting the balance replaces it.
STARTING_BALANCE = 100_000_000
_FEE_PER_THOUSAND, _FEE_FIXED = 29, 30
DISPUTE_FEE = 1500


def charge_fee(amount: int) -> int:
    """Return the fee of a charge: 2.9 % and 30 minor units, as on a common price list."""
    return (amount * _FEE_PER_THOUSAND + 500) // 1000 + _FEE_FIXED


def available(ctx: Context, currency: str) -> int:
    """Return what the account could pay out now, in minor units."""
    amounts: dict[str, int] = _amounts(ctx)
    return amounts.get(currency, STARTING_BALANCE)


def set_available(ctx: Context, currency: str, amount: int) -> None:
    """Set what is available."""
    amounts = _amounts(ctx)
    amounts[currency] = amount
    ctx.put("balance", {"id": "balance", "amounts": amounts})


def currencies(ctx: Context) -> list[str]:
    """Return the currencies that the account has seen."""
    return sorted(_amounts(ctx)) or ["usd"]


def book(
    ctx: Context,
    amount: int,
    currency: str,
    *,
    source: str,
    kind: str,
    category: str,
    description: str | None = None,
    fee: int = 0,
) -> str:
    """Write a balance transaction, move the balance by it, and return its id.

    Args:
        ctx: The account.
        amount: Gross, in minor units; negative when money leaves.
        currency: Lower-case ISO code.
        source: The charge, refund or dispute that it belongs to.
        kind: Stripe's ``type``.
        category: Stripe's ``reporting_category``.
        description: A sentence, or None.
        fee: What Stripe keeps, in minor units.
    """
    record: Record = transaction_record(
        ctx.now(), amount, currency, source=source, kind=kind, category=category, description=description, fee=fee
    )
    ctx.put("balance_transaction", record)
    set_available(ctx, currency, available(ctx, currency) + record["net"])
    return str(record["id"])


def transaction_record(
    created: int,
    amount: int,
    currency: str,
    *,
    source: str,
    kind: str,
    category: str,
    description: str | None = None,
    fee: int = 0,
) -> Record:
    """Build a balance transaction without booking it."""
    return {
        "id": new_id("txn"),
        "created": created,
        "amount": amount,
        "currency": currency,
        "fee": fee,
        "net": amount - fee,
        "source": source,
        "type": kind,
        "reporting_category": category,
        "description": description,
    }


def _amounts(ctx: Context) -> dict[str, int]:
    record = ctx.get("balance", "balance")
    return dict(record["amounts"]) if record else {}
