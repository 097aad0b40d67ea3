"""What the sandbox's tests share: clients, the control API, and the contract to hold answers against."""

import json
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import requests
import stripe
from jsonschema import Draft202012Validator

KEY = "sk_test_sandbox_tests"
VERSION = "2026-10-28.endive"
SPEC = Path(__file__).resolve().parents[3] / "shared" / "stripe" / "spec.json"

# Only just made endpoints carry it.
EXTRA = {"secret"}

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def make_client(url: str, key: str = KEY, *, retries: int = 0, timeout: float = 5) -> stripe.StripeClient:
    """Return an official client with a connection of its own that knows no proxy."""
    session = requests.Session()
    session.trust_env = False
    return stripe.StripeClient(
        key,
        base_addresses={"api": url},
        stripe_version=VERSION,
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=timeout, session=session),
    )


class Control:
    """The control API, by paths."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        """Send a control request: POST with a body, GET without."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/_sandbox/{path}", data, method=method or ("GET" if data is None else "POST")
        )
        with _opener.open(request, timeout=20) as answer:
            result: dict[str, Any] = json.load(answer)
        return result

    def fault(self, name: str, **rule: Any) -> None:
        """Order a fault for the next refund to be created."""
        self("faults", {"fault": name, "path": "/v1/refunds", "method": "POST", **rule})


class Receiver:
    """Webhook deliveries that arrived, as (body, signature header)."""

    url = ""

    def __init__(self) -> None:
        self.deliveries: list[tuple[bytes, str]] = []
        self.answers: list[int] = []

    def take(self, body: bytes, signature: str) -> int:
        """Keep a delivery, and choose the answer."""
        self.deliveries.append((body, signature))
        return self.answers.pop(0) if self.answers else 200

    @property
    def types(self) -> list[str]:
        """The event types, in order of arrival."""
        return [json.loads(body)["type"] for body, _ in self.deliveries]


def raw(
    url: str, method: str, path: str, form: str | None = None, key: str = KEY, **headers: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Send a request without the official client; return status, body and headers."""
    request = urllib.request.Request(url + path, form.encode() if form is not None else None, method=method)
    request.add_header("Authorization", f"Bearer {key}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with _opener.open(request, timeout=10) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


@cache
def spec() -> dict[str, Any] | None:
    """Return the contract, or None on a machine that lacks it."""
    if not SPEC.exists():
        return None
    loaded: dict[str, Any] = json.loads(SPEC.read_text(encoding="utf-8"))
    return loaded


def assert_keeps_contract(body: dict[str, Any], schema: str | None = None) -> None:
    """Hold a raw body against the contract, and against the official client's types.

    Args:
        body: What the sandbox sent.
        schema: Its schema in the contract; by default the one named after its ``object``.
    """
    name = schema or body["object"]
    for each in body["data"] if name.endswith("_list") else [body]:
        if "object" in each:
            assert set(each) <= set(type(stripe.convert_to_stripe_object(each)).__annotations__) | EXTRA
    contract = spec()
    if contract is None:
        return
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": contract["components"]})
    problems = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]
    assert problems == []
    assert list(unknown_words(body, {"$ref": f"#/components/schemas/{name}"}, contract)) == []


def unknown_words(value: Any, schema: dict[str, Any], contract: dict[str, Any]) -> Iterator[str]:
    """Yield values that the contract's open enums do not list."""
    if "$ref" in schema:
        schema = contract["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, str) and value not in schema.get("x-open-enum", [value]):
        yield value
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from unknown_words(value[name], inner, contract)
    if isinstance(value, list) and "items" in schema:
        for item in value:
            yield from unknown_words(item, schema["items"], contract)
