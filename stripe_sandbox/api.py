"""From an HTTP request to an answer: key, version, faults, idempotency, rule, commit."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import API_VERSION, faults
from .clock import Clock
from .context import Context
from .errors import ApiError, invalid
from .faults import Fault, Faults
from .forms import check, decode
from .idempotency import Idempotency, Saved
from .ids import account_id, new_id
from .lists import expand
from .routes import Route, resolve
from .store import Store

log = logging.getLogger("stripe_sandbox")

KEY_PREFIX = "sk_test_sandbox_"
_LIVE = ("sk_live_", "rk_live_", "pk_live_")


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived. ``raw`` is the query of a GET and the form of a POST."""

    method: str
    path: str
    raw: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Answer:
    """What is sent, and how sending it shall go wrong."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    fault: Fault | None = None


class Api:
    """Everything under ``/v1/``."""

    def __init__(
        self, store: Store, clock: Clock, ordered: Faults, base_url: str, wait: Callable[[float], Any]
    ) -> None:
        self._store = store
        self._clock = clock
        self._faults = ordered
        self._base_url = base_url
        self._wait = wait
        self._idempotency = Idempotency(store, clock)
        self._serving: set[int] = set()

    def serving(self) -> int:
        """Return how many requests are being served."""
        return len(self._serving)

    def handle(self, request: Request) -> Answer:
        """Serve one request."""
        me = threading.get_ident()
        self._serving.add(me)
        try:
            return self._handle(request)
        finally:
            self._serving.discard(me)

    def _handle(self, request: Request) -> Answer:
        request_id = new_id("req")
        key = (request.headers.get("Idempotency-Key") or None) if request.method == "POST" else None
        try:
            answer = self._serve(request, request_id, key)
        except ApiError as error:
            answer = self._error(error, request_id)
        answer.headers.setdefault("Request-Id", request_id)
        answer.headers["Stripe-Version"] = API_VERSION
        if key:
            answer.headers["Idempotency-Key"] = key
        return answer

    def _serve(self, request: Request, request_id: str, key: str | None) -> Answer:
        account = account_id(authenticate(request.headers))
        _check_version(request.headers)
        _check_account(request.headers, account)
        fault = self._faults.take(account, request.method, request.path, request.raw)
        name = fault["fault"] if fault else None
        if name in faults.BEFORE:
            return self._answer_before(name, fault, request_id)
        where = f"{request.method} {request.path}"
        with self._idempotency.claim(account, key, where, request.raw) as saved:
            if saved is not None:
                headers = {"Idempotent-Replayed": "true", "Original-Request": saved.request_id}
                return Answer(saved.status, saved.body, headers, fault=fault if name in faults.AFTER else None)
            if fault and name == "slow":
                self._wait(fault["seconds"])
            ctx = Context(self._store, self._clock, account, self._base_url, request_id=request_id, idempotency_key=key)
            answer = self._execute(ctx, request, name)
        if name in faults.AFTER and answer.status == 200:
            answer.fault = fault
        return answer

    def _answer_before(self, name: str, fault: Fault | None, request_id: str) -> Answer:
        error = faults.error_before(name)
        if error is not None:
            raise error
        if name == "unavailable_html":
            page = b"<html><body><h1>503 Service Unavailable</h1><p>stripe-sandbox (simulated)</p></body></html>"
            return Answer(503, page, content_type="text/html")
        return Answer(200, b"", {"Request-Id": request_id}, fault=fault)

    def _execute(self, ctx: Context, request: Request, fault: str | None) -> Answer:
        """Run the rule; effect and kept answer are one commit."""
        with self._store.transaction():
            try:
                if fault == "server_error_saved":
                    raise faults.simulated_500()
                with self._store.undo_on(_is_without_effect):
                    answer = Answer(200, _encode(_run(ctx, request)))
                if fault == "server_error_after_commit":
                    answer = self._error(faults.simulated_500(), ctx.request_id)
                keep = True
            except ApiError as error:
                answer, keep = self._error(error, ctx.request_id), error.saved
            if ctx.idempotency_key and keep:
                kept = Saved(answer.status, answer.body, str(ctx.request_id))
                where = f"{request.method} {request.path}"
                self._idempotency.save(ctx.account, ctx.idempotency_key, where, request.raw, kept)
        return answer

    def _error(self, error: ApiError, request_id: str | None) -> Answer:
        url = f"{self._base_url}/requests/{request_id}"
        return Answer(error.status, _encode(error.body(url)), dict(error.headers))


def _is_without_effect(error: Exception) -> bool:
    """A declined card leaves a failed charge behind; every other refusal leaves nothing."""
    return not (isinstance(error, ApiError) and error.status == 402)


def _run(ctx: Context, request: Request) -> dict[str, Any]:
    found = resolve(request.method, request.path)
    if found is None:
        raise unknown_url(request)
    route, ctx.path_ids = found
    ctx.params = _params(route, request)
    wire = route.handler(ctx)
    expand(ctx, wire, ctx.params.get("expand", []))
    return wire


def _params(route: Route, request: Request) -> dict[str, Any]:
    return check(decode(request.raw), route.params)


def unknown_url(request: Request) -> ApiError:
    """Build the answer to a path that is not part of the API, or not of the sandbox."""
    message = f"Unrecognized request URL ({request.method}: {request.path})."
    return ApiError(404, message, saved=False)


def authenticate(headers: Mapping[str, str]) -> str:
    """Return the key of a request.

    Raises:
        ApiError: There is none, or it is not one of the sandbox's.
    """
    key = _key(headers.get("Authorization", ""))
    if not key:
        message = "You did not provide an API key. Use a key that begins with sk_test_sandbox_."
        raise ApiError(401, message, saved=False)
    if key.startswith(_LIVE):
        log.critical("A LIVE KEY WAS SENT TO THE STRIPE SANDBOX. It was refused and not stored; consider rolling it.")
    if not key.startswith(KEY_PREFIX) or len(key) == len(KEY_PREFIX):
        raise ApiError(401, f"Invalid API Key provided: {key[:8]}****{key[-4:]}", saved=False)
    return key


def _key(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _check_version(headers: Mapping[str, str]) -> None:
    version = headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        raise invalid(f"Invalid Stripe API version: {version}. The stripe-sandbox only speaks {API_VERSION}.")


def _check_account(headers: Mapping[str, str], own: str) -> None:
    wanted = headers.get("Stripe-Account", own)
    if wanted != own:
        message = f"The provided key does not have access to account '{wanted}' (or that account does not exist)."
        raise ApiError(403, message, code="account_invalid", saved=False)


def _encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
