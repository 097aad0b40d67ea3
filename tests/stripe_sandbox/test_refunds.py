"""Refunds through the official client: ceilings, states, and what they do to charge and balance."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from .tools import Control, make_client

Pay = Callable[..., stripe.PaymentIntent]
Client = stripe.StripeClient


def refunded(client: Client, intent: stripe.PaymentIntent) -> int:
    return client.v1.charges.retrieve(intent.latest_charge.id).amount_refunded


def test_refund_carries_what_the_product_reads(client: Client, pay: Pay) -> None:
    intent = pay(4000)

    refund = client.v1.refunds.create(
        {"payment_intent": intent.id, "amount": 1250, "reason": "duplicate", "metadata": {"part": "7"}}
    )

    assert (refund.status, refund.amount, refund.currency, refund.reason) == ("succeeded", 1250, "eur", "duplicate")
    assert (refund.charge, refund.payment_intent) == (intent.latest_charge.id, intent.id)
    assert refund.metadata["part"] == "7"
    assert refund.id.startswith("re_sim_")
    assert refund.last_response.request_id.startswith("req_sim_")
    assert "failure_reason" not in refund


def test_omitted_amount_is_the_remainder(client: Client, pay: Pay) -> None:
    intent = pay(4000)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 1})

    refund = client.v1.refunds.create({"charge": intent.latest_charge.id})

    assert (refund.amount, refund.payment_intent) == (3999, intent.id)
    assert client.v1.charges.retrieve(intent.latest_charge.id).refunded


def test_two_equal_partial_refunds_are_two(client: Client, pay: Pay) -> None:
    intent = pay(4000)

    first, second = (client.v1.refunds.create({"payment_intent": intent.id, "amount": 500}) for _ in range(2))

    assert first.id != second.id
    assert refunded(client, intent) == 1000


def test_one_cent_more_than_is_left_is_refused(client: Client, pay: Pay) -> None:
    intent = pay(4000)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 4001})

    assert (caught.value.http_status, caught.value.param, caught.value.code) == (400, "amount", None)
    assert refunded(client, intent) == 0


def test_nothing_left_is_refused_by_code(client: Client, pay: Pay) -> None:
    intent = pay(4000)
    client.v1.refunds.create({"payment_intent": intent.id})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id})

    assert caught.value.code == "charge_already_refunded"
    assert refunded(client, intent) == 4000


@pytest.mark.parametrize("amount", ["0", "-5", "1.5", "ten", "1e3", "１２", ""])
def test_odd_amounts_are_refused(client: Client, pay: Pay, amount: str) -> None:
    intent = pay(4000)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": amount})

    assert (caught.value.param, caught.value.code) == ("amount", "parameter_invalid_integer")
    assert refunded(client, intent) == 0


def test_a_refused_expansion_leaves_nothing_behind(client: Client, pay: Pay) -> None:
    intent = pay(4000)

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "expand": ["nonsense"]})

    assert refunded(client, intent) == 0
    assert client.v1.refunds.list({"payment_intent": intent.id}).data == []


def test_parallel_refunds_never_exceed_the_charge(client: Client, pay: Pay) -> None:
    intent = pay(1000)

    def refund(_: int) -> int:
        try:
            return (
                make_client(client._requestor.base_addresses["api"])
                .v1.refunds.create({"payment_intent": intent.id, "amount": 300})
                .amount
            )
        except stripe.InvalidRequestError:
            return 0

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(refund, range(20))) == 900
    assert refunded(client, intent) == 900


def test_pending_card_ends_on_a_tick(client: Client, pay: Pay, control: Control) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay(card="pm_card_pendingRefund").id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")

    control("tick", {"all": True})

    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_late_failure_returns_the_money(client: Client, pay: Pay, control: Control) -> None:
    intent = pay(4000, card="pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    before = control("balance", {"account_key": "sk_test_sandbox_tests"})["available"]["eur"]

    control("clock", {"advance_seconds": 3600})

    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert failed.failure_balance_transaction.startswith("txn_sim_")
    assert refunded(client, intent) == 0
    assert control("balance", {"account_key": "sk_test_sandbox_tests"})["available"]["eur"] == before + 4000


def test_only_a_waiting_refund_can_be_cancelled(client: Client, pay: Pay) -> None:
    intent = pay(4000, card="pm_sandbox_refundRequiresAction")
    waiting = client.v1.refunds.create({"payment_intent": intent.id, "instructions_email": "ada@example.com"})
    assert waiting.status == "requires_action"
    assert waiting.next_action.display_details.email_sent.email_sent_to == "ada@example.com"

    assert client.v1.refunds.cancel(waiting.id).status == "canceled"

    assert refunded(client, intent) == 0
    done = client.v1.refunds.create({"payment_intent": pay().id})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.cancel(done.id)


def test_short_balance_holds_the_refund_until_it_is_topped_up(client: Client, pay: Pay, control: Control) -> None:
    intent = pay(4000)
    control("balance", {"account_key": "sk_test_sandbox_tests", "available": {"eur": 100}})

    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason, refund.balance_transaction) == ("pending", "insufficient_funds", None)

    control("balance", {"account_key": "sk_test_sandbox_tests", "available": {"eur": 5000}})
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert client.v1.balance.retrieve().available[0].amount == 1000


def test_metadata_is_merged_and_unset(client: Client, pay: Pay) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay().id, "metadata": {"a": "1", "b": "2"}})

    after = client.v1.refunds.update(refund.id, {"metadata": {"a": "", "c": "3"}})

    assert after.metadata.to_dict() == {"b": "2", "c": "3"}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.update(refund.id, {"amount": 5})
    assert caught.value.code == "parameter_unknown"


def test_trace_number_comes_after_a_week(client: Client, pay: Pay, control: Control) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay().id})
    assert refund.destination_details.card.reference_status == "pending"

    control("clock", {"advance_seconds": 8 * 86400})

    card = client.v1.refunds.retrieve(refund.id).destination_details.card
    assert (card.reference_status, len(card.reference)) == ("available", 23)


def test_uncaptured_payment_is_refunded_in_full_and_ends(client: Client) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "capture_method": "manual",
        }
    )
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 5})

    refund = client.v1.refunds.create({"payment_intent": intent.id})

    assert refund.destination_details.card.type == "reversal"
    assert client.v1.payment_intents.retrieve(intent.id).status == "canceled"


def test_pending_refund_fails_when_its_charge_is_disputed(client: Client, pay: Pay, control: Control) -> None:
    intent = pay(4000, card="pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 1000})

    control(f"charges/{intent.latest_charge.id}/dispute", {"reason": "fraudulent", "status": "needs_response"})

    after = client.v1.refunds.retrieve(refund.id)
    assert (after.status, after.failure_reason) == ("failed", "charge_for_pending_refund_disputed")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_disputed"


@pytest.mark.parametrize(("opened", "closed"), [("warning_needs_response", None), ("needs_response", "won")])
def test_inquiries_and_won_disputes_allow_refunds(
    client: Client, pay: Pay, control: Control, opened: str, closed: str | None
) -> None:
    intent = pay(4000)
    dispute = control(f"charges/{intent.latest_charge.id}/dispute", {"status": opened})
    if closed:
        control(f"disputes/{dispute['id']}/close", {"status": closed})

    assert client.v1.disputes.retrieve(dispute["id"]).is_charge_refundable
    assert client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"
    assert client.v1.charges.retrieve(intent.latest_charge.id).disputed


def test_control_moves_single_refunds(client: Client, pay: Pay, control: Control) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay(card="pm_card_pendingRefund").id})

    assert control(f"refunds/{refund.id}/require_action", {})["status"] == "requires_action"
    assert control(f"refunds/{refund.id}/succeed", {})["status"] == "succeeded"
    assert control(f"refunds/{refund.id}/fail", {"reason": "declined"})["failure_reason"] == "declined"
