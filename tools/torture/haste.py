"""Shorter patience for the processes under torture, so that a thousand runs fit into an hour."""

from datetime import timedelta
from typing import Any

READ_SECONDS = 0.5
LONGER_THAN_PATIENCE = 0.8
QUICK_WEBHOOKS = {"retry_seconds": [0, 1, 1, 1, 1, 1], "timeout_seconds": 5}


def hurry() -> None:
    """Wait less for Stripe and between tries; what happens when the patience ends stays the product's."""
    import stripe

    from registration import stripe_gateway
    from registration.services import resolve, sending, undo
    from registration.services.comparison import asking as compare_asking

    _set(stripe_gateway, "READ_SECONDS", READ_SECONDS)
    for kind in stripe.RequestsClient.__mro__:
        if "INITIAL_DELAY" in vars(kind):
            kind.INITIAL_DELAY, kind.MAX_DELAY = 0.01, 0.05  # type: ignore[attr-defined]
    _set(sending, "BUSY_PAUSES", (0.02, 0.05))
    _set(resolve, "LEASE", timedelta(seconds=2))  # A killed worker holds up its part no longer than that.
    _set(resolve, "FIRST_PAUSE", timedelta(seconds=0.1))
    _set(resolve, "LONGEST_PAUSE", timedelta(seconds=0.5))
    _set(resolve, "LEAVE_TO_ITS_REQUEST", timedelta(seconds=0))  # The resolver races those who are still sending.
    _set(undo, "LEAVE_TO_ITS_PAGE", timedelta(seconds=0))
    _set(compare_asking, "PER_SECOND", 1000)


def _set(owner: Any, name: str, value: object) -> None:
    """Change what is there; a name that has moved must not pass unnoticed."""
    getattr(owner, name)
    setattr(owner, name, value)
