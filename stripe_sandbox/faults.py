"""Bad days to order: the next requests that match go wrong in a chosen way."""

from __future__ import annotations

import random
from typing import Any

from .errors import ApiError
from .store import Store

# Before anything happened; the answer is not kept under the key.
BEFORE = {
    "rate_limit": "429 rate_limit",
    "lock_timeout": "429 lock_timeout",
    "lock_timeout_retry": "429 lock_timeout with Stripe-Should-Retry: true",
    "conflict": "409",
    "server_error": "500",
    "unavailable_html": "503 with an HTML page",
    "reset": "the connection is reset",
    "close": "the connection is closed without an answer",
    "timeout": "no answer for some seconds, then the connection is closed",
}
# While the idempotency key is held.
DURING = {
    "slow": "the answer takes some seconds longer",
    "server_error_saved": "500 without effect, kept under the key",
}
# The effect has been committed.
AFTER = {
    "reset_after_commit": "the connection is reset",
    "close_after_commit": "the connection is closed without an answer",
    "half_body_after_commit": "half of the body, then the connection is closed",
    "stalled_body_after_commit": "half of the body, then silence for some seconds",
    "timeout_after_commit": "no answer for some seconds, then the connection is closed",
    "server_error_after_commit": "500, kept under the key",
    "garbage_after_commit": "200 with a body that is not JSON",
}
ALL = {**BEFORE, **DURING, **AFTER}

Fault = dict[str, Any]


class Faults:
    """The list of ordered faults; it is kept with the state."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chance = random.Random(1)  # noqa: S311 - the same bad days in every run.
        self._rules: list[Fault] = store.setting("faults", [])

    def add(self, rule: Fault) -> Fault:
        """Order a fault.

        Args:
            rule: ``fault`` (a name in ``ALL``) and, optionally, ``count``, ``path`` (how it begins), ``method``,
                ``seconds``, ``account``, ``match`` (a text that the path or the body must contain) and ``share`` (how
                much of what matches goes wrong, from 0 to 1, by chance).
        """
        kept = {"count": 1, "path": "/v1/", "method": None, "seconds": 30, "account": None, "match": None}
        kept |= {"share": 1.0, **rule}
        with self._store.transaction():
            self._rules.append(kept)
            self._save()
        return kept

    def add_many(self, rules: list[Fault]) -> None:
        """Order several faults at once."""
        with self._store.transaction():
            for rule in rules:
                self.add(rule)

    def take(self, account: str, method: str, path: str, raw: str) -> Fault | None:
        """Use up the first fault that matches a request."""
        if not self._rules:
            return None
        with self._store.transaction():
            for rule in self._rules:
                if _matches(rule, account, method, path, raw) and self._chance.random() < rule["share"]:
                    rule["count"] -= 1
                    if rule["count"] <= 0:
                        self._rules.remove(rule)
                    self._save()
                    return dict(rule)
        return None

    def pending(self) -> list[Fault]:
        """Return the faults that have not been used up."""
        with self._store.lock:
            return [dict(rule) for rule in self._rules]

    def clear(self) -> None:
        """Forget all faults."""
        with self._store.transaction():
            self._rules.clear()
            self._save()

    def _save(self) -> None:
        self._store.set_setting("faults", self._rules)


def _matches(rule: Fault, account: str, method: str, path: str, raw: str) -> bool:
    return (
        rule["account"] in (None, account)
        and rule["method"] in (None, method)
        and path.startswith(rule["path"])
        and (rule["match"] is None or rule["match"] in path or rule["match"] in raw)
    )


def error_before(name: str) -> ApiError | None:
    """Return the error that a fault before the commit answers with; None for the other faults."""
    retry = {"Stripe-Should-Retry": "true"}
    lock_message = "This object cannot be accessed right now because another API request is accessing it."
    errors = {
        "rate_limit": ApiError(
            429,
            "Request rate limit exceeded.",
            code="rate_limit",
            headers={"Stripe-Rate-Limited-Reason": "global-rate"},
        ),
        "lock_timeout": ApiError(429, lock_message, code="lock_timeout"),
        "lock_timeout_retry": ApiError(429, lock_message, code="lock_timeout", headers=retry),
        "conflict": ApiError(409, "The request conflicts with another request.", type="api_error"),
        "server_error": simulated_500(),
    }
    return errors.get(name)


def simulated_500() -> ApiError:
    """Return the plain server error."""
    return ApiError(500, "Sorry, something went wrong. (simulated)", type="api_error")
