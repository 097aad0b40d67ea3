"""Talks to the sandbox: its control interface, and Stripe's own as somebody in Stripe's dashboard would."""

import json
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

SECONDS = 20


class Sandbox:
    """The sandbox at a base address, seen from one account."""

    def __init__(self, base: str, account_key: str = "") -> None:
        """Remember where and who."""
        self.base, self.key = base, account_key
        self._opener = build_opener(ProxyHandler({}))

    def of(self, account_key: str) -> "Sandbox":
        """The same sandbox, another account."""
        return Sandbox(self.base, account_key)

    def control(self, path: str, verb: str = "POST", /, **body: Any) -> dict[str, Any]:
        """Ask for what Stripe does not offer."""
        data = json.dumps({"account_key": self.key} | body).encode()
        if path.startswith("webhooks"):
            data = json.dumps(body).encode()
        return self._open(Request(f"{self.base}/_sandbox/{path}", data, method=verb))  # noqa: S310

    def fail(self, refund_id: str) -> None:
        """Let a refund come back from the bank, unless it has gone another way meanwhile."""
        with suppress(HTTPError):
            self.control(f"refunds/{refund_id}/fail")

    def state(self) -> dict[str, Any]:
        """The account's books."""
        return self._open(Request(f"{self.base}/_sandbox/state?account_key={self.key}"))  # noqa: S310

    def events(self) -> list[dict[str, Any]]:
        """Everything that the account had to tell, newest first."""
        found: list[dict[str, Any]] = []
        headers, more = {"Authorization": f"Bearer {self.key}"}, True
        while more:
            after = f"&starting_after={found[-1]['id']}" if found else ""
            page = self._open(Request(f"{self.base}/v1/events?limit=100{after}", headers=headers))  # noqa: S310
            found += page["data"]
            more = page["has_more"]
        return found

    def refund_elsewhere(self, intent: str, amount: int) -> dict[str, Any]:
        """Refund past the desk, as in Stripe's dashboard."""
        form = urlencode({"payment_intent": intent, "amount": amount}).encode()
        headers = {"Authorization": f"Bearer {self.key}"}
        return self._open(Request(f"{self.base}/v1/refunds", form, headers))  # noqa: S310

    def serving(self) -> int:
        """How many requests it is serving."""
        return int(self._open(Request(f"{self.base}/_sandbox/health"))["serving"])  # noqa: S310

    def waiting(self) -> int:
        """How many deliveries are still to be made."""
        return int(self._open(Request(f"{self.base}/_sandbox/webhooks/waiting"))["waiting"])  # noqa: S310

    def _open(self, request: Request) -> dict[str, Any]:
        with self._opener.open(request, timeout=SECONDS) as answer:
            result: dict[str, Any] = json.load(answer)
        return result
