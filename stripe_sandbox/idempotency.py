"""Idempotency keys: the first answer is kept with the effect, in the same commit, and replayed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .clock import Clock
from .errors import ApiError, invalid
from .store import Store

KEPT_SECONDS = 24 * 3600
MAX_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Saved:
    """An answer that was kept under a key."""

    status: int
    body: bytes
    request_id: str


class Idempotency:
    """The keys of all accounts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._in_flight: set[tuple[str, str]] = set()

    @contextmanager
    def claim(self, account: str, key: str | None, method_and_path: str, raw: str) -> Iterator[Saved | None]:
        """Hold a key while a request is executed; yield the earlier answer when there is one.

        Raises:
            ApiError: Another request holds the key, or the key was used with other parameters.
        """
        if key is None:
            yield None
            return
        if len(key) > MAX_LENGTH:
            raise invalid(f"Idempotency keys can have up to {MAX_LENGTH} characters.")
        slot = (account, key)
        with self._store.lock:
            saved = self._find(account, key, fingerprint(method_and_path, raw))
            if saved is None and slot in self._in_flight:
                message = "There is currently another in-progress request using this Idempotent Key."
                raise ApiError(409, message, type="idempotency_error", code="idempotency_key_in_use", saved=False)
            if saved is None:
                self._in_flight.add(slot)
        if saved is not None:
            yield saved
            return
        try:
            yield None
        finally:
            with self._store.lock:
                self._in_flight.discard(slot)

    def _find(self, account: str, key: str, wanted: str) -> Saved | None:
        oldest = self._clock.now() - KEPT_SECONDS
        self._store.execute(
            "DELETE FROM idempotency WHERE account = ? AND key = ? AND created < ?", (account, key, oldest)
        )
        rows = self._store.execute("SELECT * FROM idempotency WHERE account = ? AND key = ?", (account, key))
        if not rows:
            return None
        if rows[0]["fingerprint"] != wanted:
            message = "Keys for idempotent requests can only be used with the parameters they were first used with."
            raise ApiError(400, message, type="idempotency_error", saved=False)
        return Saved(rows[0]["status"], bytes(rows[0]["body"]), rows[0]["request_id"])

    def save(self, account: str, key: str, method_and_path: str, raw: str, answer: Saved) -> None:
        """Keep an answer; called inside the transaction of the effect."""
        self._store.execute(
            "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                account,
                key,
                fingerprint(method_and_path, raw),
                answer.status,
                answer.body,
                answer.request_id,
                self._clock.now(),
            ),
        )


def fingerprint(method_and_path: str, raw: str) -> str:
    """Digest a request; the order of its parameters does not matter."""
    parts = "&".join(sorted(raw.split("&")))
    return hashlib.sha256(f"{method_and_path}\n{parts}".encode()).hexdigest()
