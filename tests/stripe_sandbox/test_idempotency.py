"""Idempotency keys: one decision, one refund."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from stripe_sandbox.server import SandboxServer

from .tools import Control, make_client, raw

Pay = Callable[..., stripe.PaymentIntent]
Client = stripe.StripeClient


def test_same_key_is_answered_from_memory(server: SandboxServer, client: Client, pay: Pay) -> None:
    form = f"payment_intent={pay().id}&amount=100"

    _, first, first_headers = raw(server.url, "POST", "/v1/refunds", form, Idempotency_Key="k1")
    _, second, second_headers = raw(server.url, "POST", "/v1/refunds", form, Idempotency_Key="k1")

    assert first == second
    assert "Idempotent-Replayed" not in first_headers
    assert second_headers["Idempotent-Replayed"] == "true"
    assert second_headers["Original-Request"] == first_headers["Request-Id"] != second_headers["Request-Id"]
    assert second_headers["Idempotency-Key"] == "k1"
    assert len(client.v1.refunds.list().data) == 1


def test_thirty_threads_with_one_key_make_one_refund(server: SandboxServer, client: Client, pay: Pay) -> None:
    intent = pay(4000)

    def refund(_: int) -> str:
        own = make_client(server.url, retries=9)
        return own.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "one"}).id

    with ThreadPoolExecutor(30) as threads:
        ids = set(threads.map(refund, range(30)))

    assert len(ids) == 1
    assert client.v1.charges.retrieve(intent.latest_charge.id).amount_refunded == 100


def test_key_in_flight_is_a_conflict(client: Client, server: SandboxServer, pay: Pay, control: Control) -> None:
    intent = pay()
    control.fault("slow", seconds=1)
    options: stripe.RequestOptions = {"idempotency_key": "slow"}
    other = make_client(server.url)
    first = threading.Thread(target=lambda: other.v1.refunds.create({"payment_intent": intent.id}, options))
    first.start()
    while control("faults")["faults"]:
        time.sleep(0.01)

    with pytest.raises(stripe.APIError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id}, options)

    first.join()
    assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
    assert len(client.v1.refunds.list().data) == 1


def test_other_parameters_under_a_key_are_refused(client: Client, pay: Pay) -> None:
    intent = pay()
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "k"})

    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 200}, {"idempotency_key": "k"})

    assert caught.value.http_status == 400
    assert len(client.v1.refunds.list().data) == 1


def test_failed_validation_is_not_kept_but_a_refusal_is(client: Client, pay: Pay, control: Control) -> None:
    intent = pay(1000)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": "x"}, {"idempotency_key": "k"})
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 500}, {"idempotency_key": "k"})
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.refunds.create({"payment_intent": intent.id, "amount": 501}, {"idempotency_key": "much"})

    assert caught.value.headers["Idempotent-Replayed"] == "true"


def test_key_is_forgotten_after_a_day(client: Client, pay: Pay, control: Control) -> None:
    intent = pay()
    first = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "k"})
    control("clock", {"advance_seconds": 24 * 3600 + 1})

    second = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "k"})

    assert first.id != second.id


def test_keys_belong_to_accounts(server: SandboxServer, client: Client, pay: Pay) -> None:
    client.v1.refunds.create({"payment_intent": pay().id}, {"idempotency_key": "k"})
    stranger = make_client(server.url, "sk_test_sandbox_stranger")

    with pytest.raises(stripe.InvalidRequestError) as caught:
        stranger.v1.refunds.create({"payment_intent": "pi_elsewhere"}, {"idempotency_key": "k"})

    assert caught.value.code == "resource_missing"


def test_a_key_can_be_too_long(client: Client, pay: Pay) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": pay().id}, {"idempotency_key": "k" * 256})
