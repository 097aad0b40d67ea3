"""Signed delivery of events, with retries, in a background thread."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from . import SERVER_NAME
from .clock import Clock
from .context import Context
from .objects import wire
from .store import Record, Store

log = logging.getLogger("stripe_sandbox")

# How deliveries can be made to go wrong; all keep until they are reset.
OPTIONS: dict[str, str] = {
    "paused": "true holds all deliveries back",
    "delay_seconds": "seconds of the sandbox's clock between event and delivery",
    "duplicate": "true sends each delivery twice, at the same instant",
    "reorder": "true sends what waits newest first",
    "drop": "true never sends",
    "wrong_signature": "true signs with another secret",
    "old_timestamp": "true signs with a time one hour ago",
    "unknown_type": "true sends the events under a type that nobody knows",
    "second_secret": "a secret that signs too, as while a secret is being rolled",
    "retry_seconds": "list of pauses before the next attempts; default [10, 60, 600]",
    "timeout_seconds": "how long an answer is waited for; default 10",
}
_RETRY_SECONDS = (10, 60, 600)
_IDLE_SECONDS = 0.2


def signature(payload: bytes, secret: str, timestamp: int) -> str:
    """Return Stripe's v1 signature of a payload."""
    return hmac.new(secret.encode(), b"%d." % timestamp + payload, hashlib.sha256).hexdigest()


class Dispatcher:
    """Sends queued deliveries; the queue is in the store, so a restart loses none."""

    def __init__(self, store: Store, clock: Clock, base_url: str) -> None:
        self._store = store
        self._clock = clock
        self._base_url = base_url
        self._changed = threading.Event()
        self._one_at_a_time = threading.Lock()
        store.execute("UPDATE deliveries SET state = 'pending' WHERE state = 'sending'")

    def options(self) -> dict[str, Any]:
        """Return the options in force."""
        options: dict[str, Any] = self._store.setting("webhooks", {})
        return options

    def set_options(self, options: dict[str, Any] | None) -> None:
        """Change options, or forget them all."""
        self._store.set_setting("webhooks", {**self.options(), **options} if options is not None else {})
        self.wake()

    def wake(self) -> None:
        """Say that there may be something to send."""
        self._changed.set()

    def wait(self) -> None:
        """Sleep until woken, or for a moment."""
        self._changed.wait(_IDLE_SECONDS)
        self._changed.clear()

    def deliver_due(self) -> int:
        """Send what is due; return how many deliveries were tried."""
        with self._one_at_a_time:
            tried = 0
            while batch := self._claim():
                for row in batch:
                    self._deliver(row)
                tried += len(batch)
            return tried

    def _claim(self) -> list[dict[str, Any]]:
        options = self.options()
        if options.get("paused"):
            return []
        with self._store.transaction():
            sign = -1 if options.get("reorder") else 1
            rows = self._store.execute(
                "SELECT * FROM deliveries WHERE state = 'pending' AND due <= ? ORDER BY seq * ? LIMIT 100",
                (self._clock.now(), sign),
            )
            state = "dropped" if options.get("drop") else "sending"
            for row in rows:
                self._store.execute("UPDATE deliveries SET state = ? WHERE seq = ?", (state, row["seq"]))
        return [dict(row) for row in rows] if state == "sending" else []

    def _deliver(self, row: dict[str, Any]) -> None:
        ctx = Context(self._store, self._clock, row["account"], self._base_url)
        event, endpoint = ctx.get("event", row["event"]), ctx.get("webhook_endpoint", row["endpoint"])
        if event is None or endpoint is None:
            self._finish(row, "dropped", "the endpoint is gone", row["due"])
            return
        options = self.options()
        answers = self._send(ctx, event, endpoint, options)
        good = any(answer.startswith("2") for answer in answers)
        retries = options.get("retry_seconds", _RETRY_SECONDS)
        if good or row["attempt"] >= len(retries):
            self._finish(row, "delivered" if good else "failed", answers[0], row["due"])
        else:
            self._finish(row, "pending", answers[0], self._clock.now() + int(retries[row["attempt"]]))

    def _send(self, ctx: Context, event: Record, endpoint: Record, options: dict[str, Any]) -> list[str]:
        body = wire(ctx, "event", event)
        if options.get("unknown_type"):
            body["type"] = "sandbox.type_that_nobody_knows"
        payload = json.dumps(body, indent=2).encode()
        header = _header(payload, endpoint["secret"], options)
        timeout = float(options.get("timeout_seconds", 10))
        answers: list[str] = []
        copies = [
            threading.Thread(target=lambda: answers.append(_post(endpoint["url"], payload, header, timeout)))
            for _ in range(2 if options.get("duplicate") else 1)
        ]
        for copy in copies:
            copy.start()
        for copy in copies:
            copy.join()
        return answers

    def _finish(self, row: dict[str, Any], state: str, answer: str, due: int) -> None:
        self._store.execute(
            "UPDATE deliveries SET state = ?, answer = ?, due = ?, attempt = attempt + 1 WHERE seq = ?",
            (state, answer, due, row["seq"]),
        )

    def history(self) -> list[dict[str, Any]]:
        """Return the last deliveries, newest first."""
        return [dict(row) for row in self._store.execute("SELECT * FROM deliveries ORDER BY seq DESC LIMIT 500")]

    def waiting(self) -> int:
        """Return how many deliveries are still to be made, or being made."""
        rows = self._store.execute("SELECT COUNT(*) AS count FROM deliveries WHERE state IN ('pending', 'sending')")
        return int(rows[0]["count"])

    def resend(self, event_id: str) -> None:
        """Queue an event again, as the resend button of Stripe's dashboard does."""
        self._store.execute(
            "INSERT INTO deliveries (account, event, endpoint, due)"
            " SELECT DISTINCT account, event, endpoint, ? FROM deliveries WHERE event = ?",
            (self._clock.now(), event_id),
        )
        self.wake()


def _header(payload: bytes, secret: str, options: dict[str, Any]) -> str:
    """Sign with the real time, not the sandbox's: the receiver compares it with its own clock."""
    timestamp = int(time.time()) - (3600 if options.get("old_timestamp") else 0)
    secrets = ["whsec_sim_of_somebody_else"] if options.get("wrong_signature") else [secret]
    if options.get("second_secret"):
        secrets.append(options["second_secret"])
    return ",".join([f"t={timestamp}", *(f"v1={signature(payload, each, timestamp)}" for each in secrets)])


def _post(url: str, payload: bytes, header: str, timeout: float) -> str:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": header,
            "User-Agent": SERVER_NAME,
        }
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path or "/", payload, headers)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        log.info("webhook to %s failed: %s", url, error)
        return f"no answer: {error}"
    finally:
        connection.close()
