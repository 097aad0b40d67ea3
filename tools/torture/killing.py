"""Ends the process it is installed in at a named boundary, as a power cut would."""

import functools
import os
import signal
from collections.abc import Callable
from typing import Any

VARIABLE = "TORTURE_KILL_AT"
"""``<name>:<nth>``, for example ``stripe.after:2`` or ``statement:17``."""
STATEMENTS, PASSAGES = 90, 2


def places() -> dict[str, tuple[Any, str]]:
    """Boundaries by name: where a function lives, and what it is called there."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    from registration.models import Refund, RefundPart
    from registration.services import approval, credit_payment, decide, refund, resolve, sending, settle, undo
    from registration.stripe_gateway import StripeGateway

    return {
        "decide.lock": (decide, "_lock"),
        "decide.write": (decide, "_write_refund"),
        "send_part": (refund, "send_part"),
        "release.send": (undo, "send_part"),
        "send": (sending, "_send"),
        "claim": (sending, "_claim"),
        "lease": (resolve, "_claim"),
        "stripe": (StripeGateway, "send_refund"),
        "look_up": (sending, "_look_up"),
        "record": (sending, "apply_snapshot"),
        "move": (sending, "move_part"),
        "after_move": (settle, "_after_move"),
        "credit_notes": (settle, "issue_credit_notes"),
        "settle_refund": (settle, "settle_refund"),
        "settle_order": (settle, "settle_order"),
        "result": (refund, "_result"),
        "part.save": (RefundPart, "save"),
        "refund.save": (Refund, "save"),
        "decide.begin": (decide, "begin"),
        "approve.decide": (approval, "_decide"),
        "approve.begin": (approval, "begin"),
        "approve.send": (approval, "send_refund"),
        "undo.lock": (undo, "lock"),
        "undo.begin": (undo, "begin"),
        "undo.settle": (undo, "settle_order"),
        "credit.pay": (credit_payment, "_pay"),
        "credit.complete": (credit_payment, "complete_if_paid"),
        "credit.intents": (credit_payment, "cancel_open_intents"),
        "commit": (BaseDatabaseWrapper, "_commit"),
    }


def boundaries() -> list[str]:
    """Every place at which a process can be told to end."""
    named = [
        f"{name}.{side}:{nth}"
        for name in sorted(places())
        for side in ("before", "after")
        for nth in range(1, PASSAGES + 1)
    ]
    return named + [f"statement:{nth}" for nth in range(1, STATEMENTS + 1)]


def install() -> None:
    """Set the trap that the environment names, if it names one."""
    spec = os.environ.get(VARIABLE, "")
    if not spec:
        return
    name, _, nth = spec.rpartition(":")
    passage = _Countdown(int(nth))
    if name == "statement":
        _watch_statements(passage)
        return
    place, _, side = name.rpartition(".")
    owner, attribute = places()[place]
    setattr(owner, attribute, _wrapped(getattr(owner, attribute), passage, before=side == "before"))


class _Countdown:
    """Ends the process at the nth call."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _wrapped(function: Callable[..., Any], passage: Callable[[], None], *, before: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if before:
            passage()
        answer = function(*args, **kwargs)
        if not before:
            passage()
        return answer

    return call


def _watch_statements(passage: Callable[[], None]) -> None:
    from django.db import connection

    def execute(run: Callable[..., Any], *args: Any) -> Any:
        passage()
        return run(*args)

    connection.execute_wrappers.append(execute)
