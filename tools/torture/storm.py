"""The bad moments of one run, drawn before it begins and played while the actors act."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from random import Random
from typing import Any
from urllib.error import HTTPError

from tools.torture.haste import LONGER_THAN_PATIENCE, QUICK_WEBHOOKS
from tools.torture.sandbox import Sandbox
from tools.torture.scene import SECRET, Scene

FAULTS = (
    "rate_limit lock_timeout lock_timeout_retry conflict server_error unavailable_html reset close timeout slow"
    " server_error_saved reset_after_commit close_after_commit half_body_after_commit stalled_body_after_commit"
    " timeout_after_commit server_error_after_commit garbage_after_commit"
).split()
WEBHOOKS: tuple[dict[str, Any], ...] = (
    {"duplicate": True},
    {"reorder": True, "duplicate": True},
    {"drop": True},
    {"paused": True},
    {"delay_seconds": 0.3},
    {"wrong_signature": True},
    {"wrong_signature": True, "second_secret": SECRET},
    {"second_secret": "whsec_that_is_being_rolled_in"},
    {"old_timestamp": True},
    {"unknown_type": True},
    {"paused": False, "reorder": True},
)
DISPUTES = ("needs_response", "warning_needs_response")
Moment = tuple[float, Callable[[], object]]


def prepare(scene: Scene, rng: Random) -> None:
    """Order the faults and the first mood of the webhooks; sometimes there is too little money at Stripe."""
    scene.sandbox.control("webhooks", **QUICK_WEBHOOKS, **rng.choice(WEBHOOKS))
    if rng.random() < 0.1:
        scene.sandbox.control("balance", available={"usd": 5000})
    for _ in range(rng.randint(2, 7)):
        path = rng.choice(("/v1/refunds", "/v1/refunds", "/v1/"))
        scene.sandbox.control(
            "faults",
            fault=rng.choice(FAULTS),
            path=path,
            count=rng.choice((1, 1, 2, 3)),
            seconds=LONGER_THAN_PATIENCE,
            method=rng.choice(("POST", "POST", None)),
        )


def moments(
    scene: Scene, rng: Random, kill_web: Callable[[], object], kill_worker: Callable[[], object]
) -> list[Moment]:
    """What happens when, in seconds from the start."""
    planned: list[Moment] = [(rng.uniform(0, 0.8), partial(_mood, scene.sandbox, rng.choice(WEBHOOKS)))]
    if rng.random() < 0.5:
        planned.append((rng.uniform(0.05, 0.8), kill_web))
    if rng.random() < 0.5:
        planned.append((rng.uniform(0.05, 0.8), kill_worker))
    if rng.random() < 0.3:
        planned.append((rng.uniform(0, 0.6), partial(_elsewhere, scene, rng.randint(100, 3000), rng.randrange(5))))
    if rng.random() < 0.3:
        planned.append((rng.uniform(0.2, 0.8), partial(_fail_one, scene.sandbox)))
    if rng.random() < 0.3:
        opened = partial(_dispute, scene, rng.randrange(len(scene.orders)), rng.choice(DISPUTES))
        planned.append((rng.uniform(0, 0.8), opened))
    return sorted(planned, key=lambda moment: moment[0])


def play(planned: list[Moment], running: Callable[[], bool], longest: float) -> Iterator[float]:
    """Play the moments while somebody is acting; yields the time after each look."""
    start = time.monotonic()
    left = list(planned)
    while (now := time.monotonic() - start) < longest and running():
        while left and left[0][0] <= now:
            _when, act = left.pop(0)
            act()
        yield now
        time.sleep(0.01)


def _mood(sandbox: Sandbox, options: dict[str, Any]) -> None:
    sandbox.control("webhooks", **options)


def _elsewhere(scene: Scene, amount: int, which: int) -> None:
    """Somebody refunds in Stripe's dashboard; Stripe may refuse, and faults hit them too."""
    payment = scene.orders[which].payments.first()
    try:
        scene.sandbox.refund_elsewhere(payment.stripe_payment_intent_id if payment else "", amount)
    except (HTTPException, OSError, ValueError):
        return


def _dispute(scene: Scene, which: int, status: str) -> None:
    """A cardholder goes to the bank, or only asks there."""
    payment = scene.orders[which].payments.first()
    with suppress(HTTPError):  # It may be disputed already.
        scene.sandbox.control(f"charges/{payment.stripe_charge_id if payment else ''}/dispute", status=status)


def _fail_one(sandbox: Sandbox) -> None:
    """The newest refund that succeeded comes back at once."""
    for refund in reversed(sandbox.state()["refunds"]):
        if refund["status"] == "succeeded":
            sandbox.fail(refund["id"])
            return
