"""What a rule needs to know about the request it serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .clock import Clock
from .errors import missing
from .store import Record, Store

# kind of record -> the noun in Stripe's "No such …" sentence
NOUNS = {
    "charge": "charge",
    "payment_intent": "payment_intent",
    "refund": "refund",
    "dispute": "dispute",
    "customer": "customer",
    "payment_method": "PaymentMethod",
    "balance_transaction": "balance transaction",
    "event": "event",
    "webhook_endpoint": "webhook endpoint",
}


@dataclass
class Context:
    """One request, or one step taken by the sandbox itself, within one account.

    Attributes:
        store: All state.
        clock: The sandbox's time.
        account: The account that the key belongs to.
        base_url: The sandbox's own address, for links in objects.
        params: Checked parameters.
        path_ids: Identifiers taken from the path.
        request_id: Of the request that causes this, None for the sandbox's own steps.
        idempotency_key: Of that request.
    """

    store: Store
    clock: Clock
    account: str
    base_url: str
    params: dict[str, Any] = field(default_factory=dict)
    path_ids: tuple[str, ...] = ()
    request_id: str | None = None
    idempotency_key: str | None = None

    def now(self) -> int:
        """Return the present second of the sandbox."""
        return self.clock.now()

    def get(self, kind: str, identifier: str | None) -> Record | None:
        """Return a record of this account, or None."""
        return self.store.get(self.account, kind, identifier) if identifier else None

    def need(self, kind: str, identifier: str, param: str = "id", status: int = 404) -> Record:
        """Return a record of this account, or answer as Stripe does when it is missing."""
        record = self.get(kind, identifier)
        if record is None:
            raise missing(NOUNS[kind], identifier, param, status)
        return record

    def put(self, kind: str, record: Record) -> None:
        """Store a record of this account."""
        self.store.put(self.account, kind, record)

    def find(self, kind: str, **equals: Any) -> list[Record]:
        """Return records of this account, newest first."""
        return self.store.find(self.account, kind, **equals)

    def schedule(self, action: str, target: str, after_seconds: float, argument: str | None = None) -> None:
        """Let something happen later, by the sandbox's clock."""
        due = int(self.now() + after_seconds)
        self.store.execute(
            "INSERT INTO outcomes (account, due, action, target, argument) VALUES (?, ?, ?, ?, ?)",
            (self.account, due, action, target, argument),
        )

    def delay(self, name: str) -> float:
        """Return one of the delays that the control API can set, in seconds."""
        return float({**DELAYS, **self.store.setting("delays", {})}[name])


# Seconds until a pending refund ends, until a succeeded one fails (only cards that do so), and until a customer who
# was asked for an account has let the time pass.
DELAYS: dict[str, float] = {"pending": 60, "late_failure": 60, "requires_action": 45 * 86400}
