"""The control API under ``/_sandbox/``: what Stripe does not offer, and a rehearsal needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from . import API_VERSION, DEFAULT_ACCOUNT_KEY, SERVER_NAME, balance, disputes, faults, outcomes, refunds
from .api import KEY_PREFIX
from .clock import Clock
from .context import DELAYS, NOUNS, Context
from .errors import ApiError, invalid
from .faults import Faults
from .ids import account_id
from .objects import wire
from .seed import seed
from .store import Record, Store
from .webhook_endpoints import register
from .webhooks import OPTIONS, Dispatcher

Body = dict[str, Any]


class Control:
    """Serves one control request at a time, as plain functions of its body."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ordered: Faults,
        dispatcher: Dispatcher,
        base_url: str,
        serving: Callable[[], int],
    ) -> None:
        self._store = store
        self._clock = clock
        self._faults = ordered
        self._dispatcher = dispatcher
        self._base_url = base_url
        self._serving = serving
        self._handlers: dict[tuple[str, str], Callable[[Body], Body]] = {
            ("GET", "health"): self._health,
            ("GET", "faults"): lambda body: {"faults": self._faults.pending(), "known": faults.ALL},
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "clock"): lambda body: {"now": self._clock.now()},
            ("POST", "clock"): self._set_clock,
            ("DELETE", "clock"): self._reset_clock,
            ("POST", "tick"): self._tick,
            ("POST", "seed"): self._seed,
            ("GET", "state"): self._state,
            ("GET", "balance"): self._balance,
            ("POST", "balance"): self._balance,
            ("POST", "delays"): self._set_delays,
            ("GET", "webhooks"): self._webhooks,
            ("GET", "webhooks/waiting"): lambda body: {"waiting": self._dispatcher.waiting()},
            ("POST", "webhooks"): self._set_webhooks,
            ("DELETE", "webhooks"): self._reset_webhooks,
            ("POST", "webhooks/deliver"): lambda body: {"tried": self._dispatcher.deliver_due()},
            ("POST", "webhooks/resend"): self._resend,
            ("POST", "webhook_endpoints"): self._endpoint,
        }

    def handle(self, method: str, path: str, body: Body, query: str = "") -> Body:
        """Serve ``/_sandbox/<path>``.

        Raises:
            ApiError: The path or the body is not understood.
        """
        body = {**{name: values[-1] for name, values in parse_qs(query).items()}, **body}
        handler = self._handlers.get((method, path))
        if handler is None:
            handler = self._object_handler(method, path.split("/"))
        return handler(body)

    def _object_handler(self, method: str, parts: list[str]) -> Callable[[Body], Body]:
        if method == "POST" and len(parts) == 3:
            collection, identifier, verb = parts
            steps: dict[tuple[str, str], Callable[[Context, Record, Body], Any]] = {
                ("refunds", "succeed"): lambda ctx, record, body: refunds.succeed(ctx, record),
                ("refunds", "fail"): _fail_refund,
                ("refunds", "require_action"): lambda ctx, record, body: refunds.require_action(ctx, record),
                ("charges", "dispute"): _open_dispute,
                ("disputes", "close"): lambda ctx, record, body: disputes.close(ctx, record, body.get("status", "won")),
                ("disputes", "update"): lambda ctx, record, body: disputes.update_status(ctx, record, body["status"]),
            }
            step = steps.get((collection, verb))
            if step is not None:
                return lambda body: self._step(collection[:-1], identifier, step, body)
        raise ApiError(404, f"Unknown control request: {method} {'/'.join(parts)}")

    def _step(self, kind: str, identifier: str, step: Callable[[Context, Record, Body], Any], body: Body) -> Body:
        with self._store.transaction():
            ctx = self._owner(kind, identifier)
            result = step(ctx, ctx.need(kind, identifier), body)
            kind, identifier = ("dispute", result["id"]) if isinstance(result, dict) else (kind, identifier)
            answer = wire(ctx, kind, ctx.need(kind, identifier))
        self._dispatcher.wake()
        return answer

    def _owner(self, kind: str, identifier: str) -> Context:
        rows = self._store.execute("SELECT account FROM records WHERE kind = ? AND id = ?", (kind, identifier))
        if not rows:
            raise ApiError(404, f"No such {NOUNS[kind]}: '{identifier}'", code="resource_missing")
        return Context(self._store, self._clock, rows[0]["account"], self._base_url)

    def _context(self, body: Body) -> Context:
        key = body.get("account_key") or DEFAULT_ACCOUNT_KEY
        if not key.startswith(KEY_PREFIX):
            raise invalid(f"Account keys begin with {KEY_PREFIX}.", "account_key")
        return Context(self._store, self._clock, account_id(key), self._base_url)

    def _health(self, body: Body) -> Body:
        return {
            "ok": True,
            "server": SERVER_NAME,
            "simulated": True,
            "api_version": API_VERSION,
            "now": self._clock.now(),
            "faults": len(self._faults.pending()),
            "serving": self._serving(),
        }

    def _add_fault(self, body: Body) -> Body:
        if body.get("fault") not in faults.ALL:
            raise invalid(f"Unknown fault: {body.get('fault')}. Known: {', '.join(faults.ALL)}", "fault")
        names = ("fault", "count", "path", "method", "seconds", "match", "share")
        rule = {name: body[name] for name in names if body.get(name) is not None}
        if body.get("account_key"):
            rule["account"] = self._context(body).account
        return self._faults.add(rule)

    def _clear_faults(self, body: Body) -> Body:
        self._faults.clear()
        return {"faults": []}

    def _set_clock(self, body: Body) -> Body:
        if "now" in body:
            self._clock.set(float(body["now"]), frozen=bool(body.get("frozen")))
        if "advance_seconds" in body:
            self._clock.advance(float(body["advance_seconds"]))
        return self._tick({})

    def _reset_clock(self, body: Body) -> Body:
        self._clock.reset()
        return {"now": self._clock.now()}

    def _tick(self, body: Body) -> Body:
        done = outcomes.run_due(self._store, self._clock, self._base_url, everything=bool(body.get("all")))
        self._dispatcher.wake()
        return {"now": self._clock.now(), "done": done}

    def _seed(self, body: Body) -> Body:
        payments = body.get("payments")
        if not isinstance(payments, list):
            raise invalid("payments must be a list.", "payments")
        replace, available = bool(body.get("replace")), body.get("available")
        return dict(seed(self._context(body), self._faults, payments, replace=replace, available=available))

    def _state(self, body: Body) -> Body:
        ctx = self._context(body)
        kinds = ("charge", "refund", "dispute", "payment_intent")
        with self._store.transaction():
            return {
                "account": ctx.account,
                **{f"{kind}s": [wire(ctx, kind, record) for record in ctx.find(kind)] for kind in kinds},
                "available": {name: balance.available(ctx, name) for name in balance.currencies(ctx)},
            }

    def _balance(self, body: Body) -> Body:
        ctx = self._context(body)
        with self._store.transaction():
            for currency, amount in (body.get("available") or {}).items():
                balance.set_available(ctx, currency.lower(), int(amount))
            paid = refunds.fund_waiting(ctx)
        if paid:
            self._dispatcher.wake()
        return {"available": {name: balance.available(ctx, name) for name in balance.currencies(ctx)}, "paid": paid}

    def _set_delays(self, body: Body) -> Body:
        known = {name: float(value) for name, value in body.items() if name in DELAYS}
        delays = {**DELAYS, **self._store.setting("delays", {}), **known}
        self._store.set_setting("delays", delays)
        return delays

    def _webhooks(self, body: Body) -> Body:
        return {"options": self._dispatcher.options(), "known": OPTIONS, "deliveries": self._dispatcher.history()}

    def _set_webhooks(self, body: Body) -> Body:
        unknown = [name for name in body if name not in OPTIONS]
        if unknown:
            raise invalid(f"Unknown webhook option: {unknown[0]}. Known: {', '.join(OPTIONS)}", unknown[0])
        self._dispatcher.set_options(body)
        return self._dispatcher.options()

    def _reset_webhooks(self, body: Body) -> Body:
        self._dispatcher.set_options(None)
        return {}

    def _resend(self, body: Body) -> Body:
        self._dispatcher.resend(str(body.get("event")))
        return {"event": body.get("event")}

    def _endpoint(self, body: Body) -> Body:
        ctx = self._context(body)
        url = str(body.get("url"))
        with self._store.transaction():
            for old in ctx.find("webhook_endpoint"):
                if old["url"] == url:
                    ctx.store.delete(ctx.account, "webhook_endpoint", old["id"])
            record = register(
                ctx,
                url,
                enabled_events=body.get("enabled_events") or ["*"],
                secret=body.get("secret"),
                api_version=API_VERSION,
            )
        return {"id": record["id"], "url": url, "secret": record["secret"]}


def _fail_refund(ctx: Context, record: Record, body: Body) -> None:
    refunds.fail(ctx, record, body.get("reason") or "expired_or_canceled_card")


def _open_dispute(ctx: Context, record: Record, body: Body) -> Record:
    return disputes.open_dispute(
        ctx, record, status=body.get("status") or "needs_response", reason=body.get("reason") or "fraudulent"
    )
