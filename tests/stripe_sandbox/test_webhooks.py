"""Signed delivery, verified with the official client, and everything that can go wrong with it."""

import json
import time
from collections.abc import Callable

import pytest
import stripe

from .tools import Control, Receiver

Pay = Callable[..., stripe.PaymentIntent]
Client = stripe.StripeClient

REFUNDED = ["refund.created", "charge.refunded"]


@pytest.fixture
def secret(client: Client, receiver: Receiver) -> str:
    """The secret of an endpoint that hears of refunds and disputes."""
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["refund.created", "charge.refunded", "refund.failed"]}
    )
    return endpoint.secret


@pytest.fixture
def refund(client: Client, pay: Pay, control: Control, secret: str) -> Callable[..., stripe.Refund]:
    """Makes a refund after options for webhooks were set; deliveries have been tried when it returns."""

    def make(**options: object) -> stripe.Refund:
        control("webhooks", options)
        made = client.v1.refunds.create({"payment_intent": pay().id})
        control("webhooks/deliver", {})
        return made

    return make


def is_signed(delivery: tuple[bytes, str], secret: str, tolerance: int | None = 300) -> bool:
    try:
        stripe.WebhookSignature.verify_header(delivery[0].decode(), delivery[1], secret, tolerance)
    except stripe.SignatureVerificationError:
        return False
    return True


def test_deliveries_are_signed(
    client: Client, receiver: Receiver, secret: str, refund: Callable[..., stripe.Refund]
) -> None:
    made = refund()

    assert receiver.types == REFUNDED
    body, header = receiver.deliveries[0]
    event = client.construct_event(body, header, secret)
    assert (event.type, event.data.object["id"], event.livemode) == ("refund.created", made.id, False)
    assert event.api_version == stripe.api_version
    assert not is_signed(receiver.deliveries[0], "whsec_other")
    assert client.v1.events.retrieve(event.id).pending_webhooks == 0
    assert {found.type for found in client.v1.events.list({"delivery_success": True}).data} >= set(REFUNDED)


def test_background_thread_delivers_by_itself(client: Client, pay: Pay, receiver: Receiver, secret: str) -> None:
    client.v1.refunds.create({"payment_intent": pay().id})

    for _ in range(200):
        if len(receiver.deliveries) == 2:
            break
        time.sleep(0.01)
    assert receiver.types == REFUNDED


def test_refused_delivery_is_tried_again(
    client: Client, control: Control, receiver: Receiver, refund: Callable[..., stripe.Refund]
) -> None:
    receiver.answers = [500]
    refund()
    assert receiver.types == REFUNDED
    assert client.v1.events.list({"delivery_success": False}).data[0].type == "refund.created"

    control("clock", {"advance_seconds": 11})
    control("webhooks/deliver", {})

    assert receiver.types == [*REFUNDED, "refund.created"]
    assert client.v1.events.list({"delivery_success": False}).data == []


def test_retries_end(control: Control, receiver: Receiver, refund: Callable[..., stripe.Refund]) -> None:
    receiver.answers = [500] * 20
    refund(retry_seconds=[1])
    for _ in range(3):
        control("clock", {"advance_seconds": 2})
        control("webhooks/deliver", {})

    assert len(receiver.deliveries) == 4
    assert {row["state"] for row in control("webhooks")["deliveries"]} == {"failed"}


def test_duplicate(receiver: Receiver, refund: Callable[..., stripe.Refund]) -> None:
    refund(duplicate=True)

    assert sorted(receiver.types) == sorted(REFUNDED * 2)
    assert len({json.loads(body)["id"] for body, _ in receiver.deliveries}) == 2


def test_reorder_and_pause(control: Control, receiver: Receiver, refund: Callable[..., stripe.Refund]) -> None:
    refund(paused=True, reorder=True)
    assert receiver.types == []
    assert control("webhooks/waiting") == {"waiting": len(REFUNDED)}

    control("webhooks", {"paused": False})
    control("webhooks/deliver", {})

    assert receiver.types == REFUNDED[::-1]
    assert control("webhooks/waiting") == {"waiting": 0}


def test_delay(control: Control, receiver: Receiver, refund: Callable[..., stripe.Refund]) -> None:
    refund(delay_seconds=300)
    assert receiver.types == []

    control("clock", {"advance_seconds": 301})
    control("webhooks/deliver", {})

    assert receiver.types == REFUNDED


def test_drop(client: Client, control: Control, receiver: Receiver, refund: Callable[..., stripe.Refund]) -> None:
    refund(drop=True)
    control("webhooks", method="DELETE")
    control("webhooks/deliver", {})

    assert receiver.types == []
    missed = client.v1.events.list({"delivery_success": False}).data
    assert {event.type for event in missed} == set(REFUNDED)


def test_wrong_signature(receiver: Receiver, secret: str, refund: Callable[..., stripe.Refund]) -> None:
    refund(wrong_signature=True)

    assert not is_signed(receiver.deliveries[0], secret)


def test_old_timestamp(receiver: Receiver, secret: str, refund: Callable[..., stripe.Refund]) -> None:
    refund(old_timestamp=True)

    assert not is_signed(receiver.deliveries[0], secret)
    assert is_signed(receiver.deliveries[0], secret, tolerance=None)


def test_unknown_type(receiver: Receiver, secret: str, refund: Callable[..., stripe.Refund]) -> None:
    refund(unknown_type=True)

    assert set(receiver.types) == {"sandbox.type_that_nobody_knows"}
    assert is_signed(receiver.deliveries[0], secret)


def test_second_secret(receiver: Receiver, secret: str, refund: Callable[..., stripe.Refund]) -> None:
    refund(second_secret="whsec_next")

    assert is_signed(receiver.deliveries[0], secret)
    assert is_signed(receiver.deliveries[0], "whsec_next")


def test_resend(client: Client, control: Control, receiver: Receiver, refund: Callable[..., stripe.Refund]) -> None:
    refund()
    event = client.v1.events.list({"type": "refund.created"}).data[0]

    control("webhooks/resend", {"event": event.id})
    control("webhooks/deliver", {})

    assert receiver.types == [*REFUNDED, "refund.created"]


def test_late_failure_is_told(client: Client, pay: Pay, control: Control, receiver: Receiver, secret: str) -> None:
    client.v1.refunds.create({"payment_intent": pay(card="pm_card_refundFail").id})
    control("tick", {"all": True})
    control("webhooks/deliver", {})

    assert receiver.types[-1] == "refund.failed"
    told = {event.type for event in client.v1.events.list({"limit": 100}).data}
    assert told >= {"refund.updated", "refund.failed", "charge.refund.updated", "charge.updated"}


def test_endpoint_by_control_keeps_its_secret(control: Control, receiver: Receiver, client: Client, pay: Pay) -> None:
    for _ in range(2):
        control(
            "webhook_endpoints",
            {
                "account_key": "sk_test_sandbox_tests",
                "url": receiver.url,
                "secret": "whsec_fixed",
                "enabled_events": ["refund.created"],
            },
        )
    client.v1.refunds.create({"payment_intent": pay().id})
    control("webhooks/deliver", {})

    assert receiver.types == ["refund.created"]
    assert is_signed(receiver.deliveries[0], "whsec_fixed")


def test_webhooks_stay_on_this_machine(client: Client) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.create({"url": "https://example.com/hook", "enabled_events": ["*"]})

    assert caught.value.param == "url"
