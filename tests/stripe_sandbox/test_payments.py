"""Payment intents and charges through the official client."""

from collections.abc import Callable

import pytest
import stripe

Pay = Callable[..., stripe.PaymentIntent]
Client = stripe.StripeClient


def test_open_intent_is_lowered_confirmed_and_noted(client: Client) -> None:
    intent = client.v1.payment_intents.create({"amount": 900, "currency": "EUR", "metadata": {"order": "7"}})
    assert (intent.status, intent.currency) == ("requires_payment_method", "eur")

    client.v1.payment_intents.update(intent.id, {"amount": 600, "metadata": {"order": "8"}})
    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert (paid.status, paid.amount_received, paid.metadata["order"]) == ("succeeded", 600, "8")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.update(intent.id, {"amount": 500})
    assert caught.value.code == "payment_intent_unexpected_state"


def test_cancelled_intent_cannot_be_paid(client: Client) -> None:
    intent = client.v1.payment_intents.create({"amount": 900, "currency": "eur", "payment_method": "pm_card_visa"})
    assert client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"}).status == "canceled"

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.confirm(intent.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.cancel(intent.id)
    assert client.v1.charges.list({"payment_intent": intent.id}).data == []


def test_partial_capture_lowers_what_can_be_refunded(client: Client) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "capture_method": "manual",
        }
    )
    for amount in (0, 901):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.capture(intent.id, {"amount_to_capture": amount})
    client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 500})

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 501})
    refund = client.v1.refunds.create({"payment_intent": intent.id, "expand": ["charge"]})

    assert (refund.amount, refund.charge.amount_captured, refund.charge.refunded) == (500, 500, True)


def test_declined_payment_can_be_tried_with_another_card(client: Client) -> None:
    intent = client.v1.payment_intents.create(
        {"amount": 900, "currency": "eur", "payment_method": "pm_card_chargeDeclinedInsufficientFunds"}
    )
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.confirm(intent.id)
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    assert client.v1.payment_intents.retrieve(intent.id).last_payment_error.decline_code == "insufficient_funds"

    assert client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    assert [charge.status for charge in client.v1.charges.list({"payment_intent": intent.id}).data] == [
        "succeeded",
        "failed",
    ]


def test_charge_is_noted(client: Client, pay: Pay) -> None:
    charge = pay().latest_charge.id

    noted = client.v1.charges.update(charge, {"metadata": {"a": "b"}, "fraud_details": {"user_report": "fraudulent"}})

    assert (noted.metadata["a"], noted.fraud_details.user_report) == ("b", "fraudulent")
    assert client.v1.events.list({"type": "charge.updated"}).data[0].data.object["id"] == charge


def test_customers_are_found_by_address(client: Client) -> None:
    ada = client.v1.customers.create({"email": "ada@example.com", "name": "Ada"})
    client.v1.customers.create({"email": "grace@example.com"})

    assert [found.id for found in client.v1.customers.list({"email": "ada@example.com"}).data] == [ada.id]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 1, "currency": "eur", "customer": "cus_nobody"})


@pytest.mark.parametrize("params", [{"currency": "eur"}, {"amount": 5}, {"amount": 0, "currency": "eur"}])
def test_incomplete_intents_are_refused(client: Client, params: stripe.params.PaymentIntentCreateParams) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create(params)

    assert client.v1.payment_intents.list().data == []
