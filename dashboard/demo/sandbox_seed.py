"""Talks to the Stripe sandbox's control API; the demo alone does, the product never."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from dashboard.demo.catalog import secret_key, webhook_secret

BATCH = 1_000
SECONDS = 60


class Sandbox:
    """The sandbox at a base address such as ``http://127.0.0.1:12111``."""

    def __init__(self, base: str) -> None:
        """Remember where it is; a proxy variable must not carry loopback calls away."""
        self.base = base.rstrip("/")
        self._opener = build_opener(ProxyHandler({}))

    def seed(self, slug: str, payments: list[dict[str, Any]]) -> int:
        """Put payments with their refunds and disputes into a conference's account; returns how many."""
        for batch in _batches(payments):
            self._post("seed", {"account_key": secret_key(slug), "payments": batch, "replace": True})
        return len(payments)

    def listen(self, slug: str, url: str) -> None:
        """Have a conference's events sent to ``url``, and only there."""
        secret = webhook_secret(slug)
        body = {"account_key": secret_key(slug), "url": url, "secret": secret, "enabled_events": ["*"]}
        self._post("webhook_endpoints", body)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = Request(  # noqa: S310 - the base is this machine's own.
            f"{self.base}/_sandbox/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with self._opener.open(request, timeout=SECONDS) as answer:
            return json.load(answer)


def _batches(payments: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    for start in range(0, len(payments), BATCH):
        yield payments[start : start + BATCH]
