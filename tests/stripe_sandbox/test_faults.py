"""Every fault, as the official client meets it, and what it leaves behind."""

from collections.abc import Callable

import pytest
import stripe

from stripe_sandbox import faults
from stripe_sandbox.server import SandboxServer

from .tools import Control, make_client

Pay = Callable[..., stripe.PaymentIntent]
Client = stripe.StripeClient

# fault -> (what the client raises, HTTP status, code)
ANSWERED = {
    "rate_limit": (stripe.RateLimitError, 429, "rate_limit"),
    "lock_timeout": (stripe.RateLimitError, 429, "lock_timeout"),
    "lock_timeout_retry": (stripe.RateLimitError, 429, "lock_timeout"),
    "conflict": (stripe.APIError, 409, None),
    "server_error": (stripe.APIError, 500, None),
    "server_error_saved": (stripe.APIError, 500, None),
    "unavailable_html": (stripe.APIError, 503, None),
    "server_error_after_commit": (stripe.APIError, 500, None),
    "garbage_after_commit": (stripe.APIError, 200, None),
}
CUT = (
    "reset",
    "close",
    "timeout",
    "reset_after_commit",
    "close_after_commit",
    "half_body_after_commit",
    "stalled_body_after_commit",
    "timeout_after_commit",
)
KEPT_500 = ("server_error_saved", "server_error_after_commit")


def test_every_fault_is_tested() -> None:
    assert {*ANSWERED, *CUT, "slow"} == set(faults.ALL)


@pytest.mark.parametrize("name", ANSWERED)
def test_answered_faults(client: Client, pay: Pay, control: Control, name: str) -> None:
    intent = pay(4000)
    control.fault(name)
    error, status, code = ANSWERED[name]

    with pytest.raises(error) as caught:
        client.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "k"})

    assert type(caught.value) is error
    assert caught.value.http_status == status
    assert (caught.value.error.code if caught.value.error else None) == code
    assert_left_behind(client, intent, name)


@pytest.mark.parametrize("name", CUT)
def test_cut_connections(server: SandboxServer, client: Client, pay: Pay, control: Control, name: str) -> None:
    intent = pay(4000)
    control.fault(name, seconds=1)

    with pytest.raises(stripe.APIConnectionError):
        make_client(server.url, timeout=0.4).v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "k"})

    assert_left_behind(client, intent, name)


def assert_left_behind(client: Client, intent: stripe.PaymentIntent, name: str) -> None:
    """The refund exists if and only if the name says so; the same key then finds the true answer."""
    committed = name in faults.AFTER
    assert len(client.v1.refunds.list({"payment_intent": intent.id}).data) == committed

    if name in KEPT_500:
        with pytest.raises(stripe.APIError) as caught:
            client.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "k"})
        assert caught.value.headers["Idempotent-Replayed"] == "true"
    else:
        again = client.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "k"})
        assert again.amount == 4000
        assert ("Idempotent-Replayed" in again.last_response.headers) == committed
    assert len(client.v1.refunds.list().data) == (name != "server_error_saved")


def test_slow_answer_arrives(client: Client, pay: Pay, control: Control) -> None:
    control.fault("slow", seconds=0.2)

    assert client.v1.refunds.create({"payment_intent": pay().id}).status == "succeeded"


@pytest.mark.parametrize("name", ["reset_after_commit", "close_after_commit", "conflict", "server_error", "reset"])
def test_retrying_client_ends_with_one_refund(server: SandboxServer, pay: Pay, control: Control, name: str) -> None:
    intent = pay(4000)
    control.fault(name)
    patient = make_client(server.url, retries=1)

    assert patient.v1.refunds.create({"payment_intent": intent.id}).amount == 4000
    assert len(patient.v1.refunds.list().data) == 1


def test_fault_counts_and_aims(client: Client, pay: Pay, control: Control) -> None:
    first, second = pay(), pay()
    control.fault("rate_limit", count=2, match=second.id)

    client.v1.refunds.create({"payment_intent": first.id})
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            client.v1.refunds.create({"payment_intent": second.id})
    client.v1.refunds.create({"payment_intent": second.id})

    assert control("faults")["faults"] == []


def test_faults_can_be_cleared(client: Client, pay: Pay, control: Control) -> None:
    control.fault("rate_limit", count=9)

    control("faults", method="DELETE")

    assert client.v1.refunds.create({"payment_intent": pay().id}).status == "succeeded"
