"""What happens later: pending refunds end, successes fail, waiting refunds get their money."""

from __future__ import annotations

from collections.abc import Callable

from . import refunds
from .clock import Clock
from .context import Context
from .store import Store

_END_OF_TIME = 2**62


def run_due(store: Store, clock: Clock, base_url: str, *, everything: bool = False) -> int:
    """Run what is due by the sandbox's clock, or everything scheduled; return how many things happened."""
    done = 0
    with store.transaction():
        until = _END_OF_TIME if everything else clock.now()
        for row in store.execute("SELECT * FROM outcomes WHERE due <= ? ORDER BY due, seq", (until,)):
            store.execute("DELETE FROM outcomes WHERE seq = ?", (row["seq"],))
            ctx = Context(store, clock, row["account"], base_url)
            done += _run(ctx, row["action"], row["target"], row["argument"])
        for account in store.accounts_with_pending_refunds():
            done += refunds.fund_waiting(Context(store, clock, account, base_url))
    return done


def _run(ctx: Context, action: str, target: str, argument: str | None) -> int:
    """Run one outcome, unless the refund has gone another way meanwhile."""
    refund = ctx.get("refund", target)
    steps: dict[str, tuple[tuple[str, ...], Callable[[], None]]] = {
        "succeed": (("pending", "requires_action"), lambda: refunds.succeed(ctx, refund or {})),
        "fail": (refunds.OPEN_STATES, lambda: refunds.fail(ctx, refund or {}, argument or "unknown")),
    }
    states, step = steps[action]
    if refund is None or refund["status"] not in states:
        return 0
    step()
    return 1
