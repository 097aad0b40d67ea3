"""Which paths exist, what parameters they take, and which rule serves them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import customers, other_objects, payments, refunds, webhook_endpoints
from .cards import CARDS
from .context import Context
from .errors import missing
from .forms import BOOLEAN, HASH, INTEGER, LIST, METADATA, RANGE, STRING, UNSUPPORTED, Kind
from .lists import page
from .objects import Wire, wire

Handler = Callable[[Context], Wire]

_EXPAND: dict[str, Kind] = {"expand": LIST}
_LIST: dict[str, Kind] = {
    **_EXPAND,
    "limit": INTEGER,
    "starting_after": STRING,
    "ending_before": STRING,
    "created": RANGE,
}
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_CANCEL_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")


def _kinds(text: str, kind: Kind) -> dict[str, Kind]:
    return dict.fromkeys(text.split(), kind)


# Part of Stripe, but not simulated here: refused with a sentence, rather than accepted and forgotten.
_UNSIMULATED = _kinds(
    "allowed_payment_method_types amount_details confirmation_token error_on_requires_action"
    " excluded_payment_method_types hooks mandate mandate_data payment_details payment_method_data radar_options"
    " shipping",
    UNSUPPORTED,
)
_CONFIRM: dict[str, Kind] = {
    **_EXPAND,
    "payment_method": STRING,
    "receipt_email": STRING,
    "return_url": STRING,
    "off_session": STRING,
    "use_stripe_sdk": BOOLEAN,
    "capture_method": ("automatic", "automatic_async", "manual"),
    "setup_future_usage": ("off_session", "on_session"),
    "payment_method_options": HASH,
    **_UNSIMULATED,
}
_REFUND_CREATE: dict[str, Kind] = {
    **_EXPAND,
    "amount": INTEGER,
    "charge": STRING,
    "payment_intent": STRING,
    "reason": _REASONS,
    "metadata": METADATA,
    "instructions_email": STRING,
    **_kinds("currency customer origin refund_application_fee reverse_transfer", UNSUPPORTED),
}
_INTENT_CREATE: dict[str, Kind] = {
    **_CONFIRM,
    "amount": INTEGER,
    "currency": STRING,
    "automatic_payment_methods": HASH,
    "confirm": BOOLEAN,
    "confirmation_method": ("automatic", "manual"),
    "customer": STRING,
    "description": STRING,
    "metadata": METADATA,
    "statement_descriptor": STRING,
    "statement_descriptor_suffix": STRING,
    "transfer_group": STRING,
    **_kinds(
        "application_fee_amount customer_account on_behalf_of payment_method_configuration transfer_data", UNSUPPORTED
    ),
}
_INTENT_UPDATE: dict[str, Kind] = {
    **_EXPAND,
    "amount": INTEGER,
    "payment_method": STRING,
    "metadata": METADATA,
    **_kinds("description receipt_email", STRING),
}
_CAPTURE: dict[str, Kind] = {
    **_EXPAND,
    "amount_to_capture": INTEGER,
    "metadata": METADATA,
    "final_capture": BOOLEAN,
    **_kinds("statement_descriptor statement_descriptor_suffix", STRING),
    **_kinds("amount_details application_fee_amount hooks payment_details transfer_data", UNSUPPORTED),
}
_CHARGE_UPDATE: dict[str, Kind] = {
    **_EXPAND,
    "metadata": METADATA,
    "fraud_details": HASH,
    "shipping": UNSUPPORTED,
    **_kinds("customer description receipt_email transfer_group", STRING),
}
_ENDPOINT_CREATE: dict[str, Kind] = {
    **_EXPAND,
    "enabled_events": LIST,
    "url": STRING,
    "api_version": STRING,
    "description": STRING,
    "metadata": METADATA,
    "connect": UNSUPPORTED,
}


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    method: str
    path: str
    handler: Handler
    params: Mapping[str, Kind]
    pattern: re.Pattern[str]


def _route(method: str, path: str, handler: Handler, params: Mapping[str, Kind]) -> Route:
    return Route(method, path, handler, params, re.compile(re.sub(r"\{\w+\}", "([^/]+)", path) + "$"))


def _retrieve(kind: str) -> Handler:
    return lambda ctx: wire(ctx, kind, ctx.need(kind, ctx.path_ids[0]))


def _listing(kind: str, path: str, *filters: str) -> Handler:
    return lambda ctx: page(ctx, kind, path, **{name: ctx.params.get(name) for name in filters})


def _create_refund(ctx: Context) -> Wire:
    return wire(ctx, "refund", refunds.create(ctx))


def _update_refund(ctx: Context) -> Wire:
    refund = ctx.need("refund", ctx.path_ids[0])
    refunds.update_metadata(ctx, refund)
    return wire(ctx, "refund", refund)


def _cancel_refund(ctx: Context) -> Wire:
    refund = ctx.need("refund", ctx.path_ids[0])
    refunds.cancel(ctx, refund)
    return wire(ctx, "refund", refund)


def _create_intent(ctx: Context) -> Wire:
    return wire(ctx, "payment_intent", payments.create(ctx))


def _intent_step(step: Callable[[Context, dict[str, object]], dict[str, object]]) -> Handler:
    return lambda ctx: wire(ctx, "payment_intent", step(ctx, ctx.need("payment_intent", ctx.path_ids[0], "intent")))


def _update_charge(ctx: Context) -> Wire:
    return wire(ctx, "charge", payments.update_charge(ctx, ctx.need("charge", ctx.path_ids[0])))


def _payment_method(ctx: Context) -> Wire:
    name = ctx.path_ids[0]
    method = ctx.get("payment_method", name)
    if method is None and name in CARDS:
        card = CARDS[name]
        method = {"id": name, "created": ctx.now(), "brand": card.brand, "last4": card.last4, "funding": card.funding}
    if method is None:
        raise missing("PaymentMethod", name)
    return wire(ctx, "payment_method", method)


def _account(ctx: Context) -> Wire:
    return {
        "id": ctx.account,
        "object": "account",
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "Stripe sandbox (simulated)", "timezone": "Etc/UTC"}},
        "type": "standard",
    }


ROUTES: tuple[Route, ...] = (
    _route("POST", "/v1/refunds", _create_refund, _REFUND_CREATE),
    _route(
        "GET",
        "/v1/refunds",
        _listing("refund", "/v1/refunds", "charge", "payment_intent"),
        {**_LIST, "charge": STRING, "payment_intent": STRING},
    ),
    _route("GET", "/v1/refunds/{refund}", _retrieve("refund"), _EXPAND),
    _route("POST", "/v1/refunds/{refund}", _update_refund, {**_EXPAND, "metadata": METADATA}),
    _route("POST", "/v1/refunds/{refund}/cancel", _cancel_refund, _EXPAND),
    _route("POST", "/v1/payment_intents", _create_intent, _INTENT_CREATE),
    _route(
        "GET",
        "/v1/payment_intents",
        _listing("payment_intent", "/v1/payment_intents", "customer"),
        {**_LIST, "customer": STRING, "customer_account": UNSUPPORTED},
    ),
    _route("GET", "/v1/payment_intents/{intent}", _retrieve("payment_intent"), {**_EXPAND, "client_secret": STRING}),
    _route("POST", "/v1/payment_intents/{intent}", _intent_step(payments.update), _INTENT_UPDATE),
    _route(
        "POST",
        "/v1/payment_intents/{intent}/confirm",
        _intent_step(payments.confirm),
        {**_CONFIRM, "amount_to_confirm": UNSUPPORTED},
    ),
    _route("POST", "/v1/payment_intents/{intent}/capture", _intent_step(payments.capture), _CAPTURE),
    _route(
        "POST",
        "/v1/payment_intents/{intent}/cancel",
        _intent_step(payments.cancel),
        {**_EXPAND, "cancellation_reason": _CANCEL_REASONS},
    ),
    _route(
        "GET",
        "/v1/charges",
        _listing("charge", "/v1/charges", "payment_intent", "customer"),
        {**_LIST, "payment_intent": STRING, "customer": STRING, "transfer_group": UNSUPPORTED},
    ),
    _route("GET", "/v1/charges/{charge}", _retrieve("charge"), _EXPAND),
    _route("POST", "/v1/charges/{charge}", _update_charge, _CHARGE_UPDATE),
    _route("POST", "/v1/customers", customers.create, customers.CREATE),
    _route(
        "GET",
        "/v1/customers",
        _listing("customer", "/v1/customers", "email"),
        {**_LIST, "email": STRING, "test_clock": UNSUPPORTED},
    ),
    _route("GET", "/v1/customers/{customer}", _retrieve("customer"), _EXPAND),
    _route("GET", "/v1/payment_methods/{payment_method}", _payment_method, _EXPAND),
    _route(
        "GET",
        "/v1/payment_methods",
        _listing("payment_method", "/v1/payment_methods", "customer"),
        {**_LIST, "customer": STRING, "type": STRING},
    ),
    _route(
        "GET",
        "/v1/disputes",
        _listing("dispute", "/v1/disputes", "charge", "payment_intent"),
        {**_LIST, "charge": STRING, "payment_intent": STRING},
    ),
    _route("GET", "/v1/disputes/{dispute}", _retrieve("dispute"), _EXPAND),
    _route("GET", "/v1/balance", other_objects.balance_sheet, _EXPAND),
    _route(
        "GET",
        "/v1/balance_transactions",
        _listing("balance_transaction", "/v1/balance_transactions", "source", "type", "currency"),
        {**_LIST, **_kinds("source type currency", STRING), "payout": UNSUPPORTED},
    ),
    _route("GET", "/v1/balance_transactions/{id}", _retrieve("balance_transaction"), _EXPAND),
    _route(
        "GET",
        "/v1/events",
        _listing("event", "/v1/events", "type"),
        {**_LIST, "type": STRING, "types": LIST, "delivery_success": BOOLEAN},
    ),
    _route("GET", "/v1/events/{id}", _retrieve("event"), _EXPAND),
    _route("POST", "/v1/webhook_endpoints", webhook_endpoints.create, _ENDPOINT_CREATE),
    _route(
        "GET",
        "/v1/webhook_endpoints",
        _listing("webhook_endpoint", "/v1/webhook_endpoints"),
        {name: kind for name, kind in _LIST.items() if name != "created"},
    ),
    _route("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}", webhook_endpoints.delete, {}),
    _route("GET", "/v1/account", _account, _EXPAND),
)


def resolve(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """Find the route of a request; searching is left out, so its paths are unknown."""
    if path.endswith("/search"):
        return None
    for route in ROUTES:
        if route.method == method:
            match = route.pattern.match(path)
            if match:
                return route, match.groups()
    return None
