"""Raw answers of every operation, held against the contract."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from stripe_sandbox import API_VERSION
from stripe_sandbox.cards import CARDS
from stripe_sandbox.routes import ROUTES
from stripe_sandbox.server import SandboxServer

from .tools import KEY, VERSION, Control, assert_keeps_contract, raw, spec

# Operations that the contract's subset leaves out.
BEYOND_THE_CONTRACT = {"/v1/payment_methods", "/v1/payment_methods/{payment_method}", "/v1/account"}
LISTS = (
    "refunds",
    "payment_intents",
    "charges",
    "disputes",
    "customers",
    "events",
    "balance_transactions",
    "webhook_endpoints",
)

Pay = Callable[..., stripe.PaymentIntent]


def get(server: SandboxServer, path: str) -> dict[str, Any]:
    status, body, _ = raw(server.url, "GET", path)
    assert status == 200
    return body


def test_client_sandbox_and_contract_speak_one_version() -> None:
    contract = spec()

    assert stripe.api_version == API_VERSION == VERSION
    assert contract is None or contract["info"]["version"] == VERSION


def test_every_operation_of_the_contract_is_served() -> None:
    served = {(route.path, route.method.lower()) for route in ROUTES}
    contract = spec() or {"paths": {}}
    wanted = {(path, method) for path, item in contract["paths"].items() for method in item}

    assert {(path, method) for path, method in wanted - served if not path.endswith("/search")} == set()


def test_parameters_are_those_of_the_contract() -> None:
    contract = spec() or {"paths": {}}
    for route in ROUTES:
        operation = contract["paths"].get(route.path, {}).get(route.method.lower())
        if operation is None or route.path in BEYOND_THE_CONTRACT:
            continue
        if route.method == "GET":
            known = {item["name"] for item in operation["parameters"] if item["in"] == "query"}
        else:
            content = operation.get("requestBody", {}).get("content", {})
            names = [item["schema"]["$ref"].rpartition("/")[2] for item in content.values()]
            known = {name for each in names for name in contract["components"]["schemas"][each].get("properties", {})}
        assert set(route.params) == known, route.path


@pytest.mark.parametrize("card", sorted(name for name, card in CARDS.items() if not card.decline))
def test_payment_and_refund_of_every_card(server: SandboxServer, pay: Pay, control: Control, card: str) -> None:
    intent = pay(card=card)
    if intent.status == "requires_action":
        assert_keeps_contract(get(server, f"/v1/payment_intents/{intent.id}"))
        _, confirmed, _ = raw(server.url, "POST", f"/v1/payment_intents/{intent.id}/confirm", "")
        assert confirmed["status"] == "succeeded"
    status, refund, _ = raw(
        server.url, "POST", "/v1/refunds", f"payment_intent={intent.id}&amount=100&instructions_email=a%40example.com"
    )
    if CARDS[card].dispute and CARDS[card].dispute[0] == "needs_response":
        assert (status, refund["error"]["code"]) == (400, "charge_disputed")
        assert_keeps_contract(refund, "error")
    else:
        assert status == 200
        assert_keeps_contract(refund)
        control("tick", {"all": True})
        assert_keeps_contract(get(server, f"/v1/refunds/{refund['id']}"))
    for name in LISTS:
        assert_keeps_contract(get(server, f"/v1/{name}"), f"{name[:-1]}_list")
    for event in get(server, "/v1/events?limit=100")["data"]:
        assert_keeps_contract(event)
        assert_keeps_contract(event["data"]["object"])


@pytest.mark.parametrize("card", sorted(name for name, card in CARDS.items() if card.decline))
def test_declined_cards(server: SandboxServer, card: str) -> None:
    form = f"amount=900&currency=eur&confirm=true&payment_method={card}"
    status, body, _ = raw(server.url, "POST", "/v1/payment_intents", form)

    assert (status, body["error"]["type"]) == (402, "card_error")
    assert_keeps_contract(body, "error")
    assert_keeps_contract(get(server, f"/v1/payment_intents/{body['error']['payment_intent']['id']}"))
    assert_keeps_contract(get(server, f"/v1/charges/{body['error']['charge']}"))
    refused, answer, _ = raw(server.url, "POST", "/v1/refunds", f"charge={body['error']['charge']}")
    assert (refused, answer["error"]["code"]) == (400, "charge_not_refundable")


def test_single_objects(server: SandboxServer, pay: Pay) -> None:
    intent = pay(card="pm_card_createDispute")
    charge = get(server, f"/v1/charges/{intent.latest_charge.id}")
    dispute = get(server, f"/v1/disputes?charge={charge['id']}")["data"][0]

    for path in (
        f"/v1/payment_intents/{intent.id}",
        f"/v1/charges/{charge['id']}",
        f"/v1/disputes/{dispute['id']}",
        f"/v1/balance_transactions/{charge['balance_transaction']}",
        f"/v1/payment_methods/{charge['payment_method']}",
        "/v1/balance",
    ):
        assert_keeps_contract(get(server, path))


@pytest.mark.parametrize("status", ["won", "lost"])
def test_dispute_in_each_end(server: SandboxServer, pay: Pay, control: Control, status: str) -> None:
    charge = pay().latest_charge.id
    dispute = control(f"charges/{charge}/dispute", {"reason": "product_not_received", "status": "needs_response"})
    control(f"disputes/{dispute['id']}/close", {"status": status})

    closed = get(server, f"/v1/disputes/{dispute['id']}")
    assert closed["status"] == status
    assert_keeps_contract(closed)


def test_customer_and_webhook_endpoint(server: SandboxServer) -> None:
    _, customer, _ = raw(server.url, "POST", "/v1/customers", "email=ada%40example.com&metadata[a]=b")
    _, endpoint, _ = raw(
        server.url, "POST", "/v1/webhook_endpoints", "url=http%3A%2F%2F127.0.0.1%3A1%2F&enabled_events[0]=*"
    )
    _, deleted, _ = raw(server.url, "DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")

    assert_keeps_contract(customer)
    assert_keeps_contract(endpoint)
    assert endpoint["secret"].startswith("whsec_")
    assert deleted == {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def test_manual_capture_and_cancelling(server: SandboxServer) -> None:
    form = "amount=900&currency=eur&confirm=true&payment_method=pm_card_visa&capture_method=manual"
    for step, status in (("capture", "succeeded"), ("cancel", "canceled")):
        _, intent, _ = raw(server.url, "POST", "/v1/payment_intents", form)
        assert intent["status"] == "requires_capture"
        assert_keeps_contract(intent)
        _, after, _ = raw(server.url, "POST", f"/v1/payment_intents/{intent['id']}/{step}", "")
        assert after["status"] == status
        assert_keeps_contract(after)
        assert_keeps_contract(get(server, f"/v1/charges/{after['latest_charge']}"))


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", "/v1/refunds/re_unknown", None),
        ("POST", "/v1/refunds", "payment_intent=pi_unknown"),
        ("POST", "/v1/refunds", "nonsense=1"),
        ("POST", "/v1/refunds", "charge=ch_x&amount=1.5"),
        ("GET", "/v1/nothing", None),
        ("GET", "/v1/charges/search?query=x", None),
    ],
)
def test_errors(server: SandboxServer, method: str, path: str, form: str | None) -> None:
    status, body, _ = raw(server.url, method, path, form, KEY)

    assert status in (400, 404)
    assert_keeps_contract(body, "error")
