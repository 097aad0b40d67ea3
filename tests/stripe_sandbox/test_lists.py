"""Cursor lists, filters and expansion."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from stripe_sandbox.server import SandboxServer

from .tools import KEY, Control, make_client, raw

Pay = Callable[..., stripe.PaymentIntent]
Client = stripe.StripeClient


@pytest.fixture
def five(client: Client, pay: Pay, control: Control) -> list[str]:
    """Five refunds of one payment, a minute apart, newest first."""
    intent = pay(5000)
    made = []
    for _ in range(5):
        made.append(client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}).id)
        control("clock", {"advance_seconds": 60})
    return made[::-1]


def test_newest_come_first_and_pages_join(client: Client, five: list[str]) -> None:
    first = client.v1.refunds.list({"limit": 2})
    second = client.v1.refunds.list({"limit": 2, "starting_after": first.data[-1].id})
    before = client.v1.refunds.list({"limit": 2, "ending_before": second.data[0].id})

    assert [refund.id for refund in first.data] == five[:2]
    assert first.has_more
    assert [refund.id for refund in second.data] == five[2:4]
    assert [refund.id for refund in before.data] == five[:2]
    assert not before.has_more
    assert [refund.id for refund in client.v1.refunds.list({"limit": 2}).auto_paging_iter()] == five


def test_created_filters(client: Client, five: list[str]) -> None:
    middle = client.v1.refunds.retrieve(five[2]).created

    def ids(created: Any) -> list[str]:
        return [refund.id for refund in client.v1.refunds.list({"created": created}).data]

    assert ids({"gte": middle}) == five[:3]
    assert ids({"gt": middle}) == five[:2]
    assert ids({"lt": middle}) == five[3:]
    assert ids({"gt": middle - 90, "lte": middle}) == five[2:4]
    assert ids(middle) == [five[2]]


def test_filters_by_owner(client: Client, five: list[str], pay: Pay) -> None:
    other = pay()
    refund = client.v1.refunds.create({"payment_intent": other.id})

    assert [found.id for found in client.v1.refunds.list({"payment_intent": other.id}).data] == [refund.id]
    assert [found.id for found in client.v1.refunds.list({"charge": other.latest_charge.id}).data] == [refund.id]
    assert [found.id for found in client.v1.charges.list({"payment_intent": other.id}).data] == [other.latest_charge.id]


def test_balance_transactions_by_source_and_type(client: Client, pay: Pay) -> None:
    intent = pay(4000)
    refund = client.v1.refunds.create({"payment_intent": intent.id})

    by_source = client.v1.balance_transactions.list({"source": refund.id, "expand": ["data.source"]}).data
    by_type = client.v1.balance_transactions.list({"type": "charge"}).data

    assert [(found.amount, found.net, found.source.id) for found in by_source] == [(-4000, -4000, refund.id)]
    assert [(found.amount, found.fee) for found in by_type] == [(4000, 146)]


def test_events_by_type(client: Client, pay: Pay) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay().id}, {"idempotency_key": "k"})

    one = client.v1.events.list({"type": "refund.created"}).data
    several = client.v1.events.list({"types": ["refund.created", "charge.refunded"]}).data

    assert [event.data.object["id"] for event in one] == [refund.id]
    assert one[0].request.idempotency_key == "k"
    assert {event.type for event in several} == {"refund.created", "charge.refunded"}
    changed = next(event for event in several if event.type == "charge.refunded")
    assert changed.data.previous_attributes.to_dict() == {"amount_refunded": 0, "refunded": False}


@pytest.mark.parametrize("limit", [0, 101])
def test_limits_are_checked(client: Client, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.list({"limit": limit})

    assert caught.value.param == "limit"


def test_unknown_cursor_is_refused(client: Client) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.list({"starting_after": "re_sim_nothing"})

    assert (caught.value.http_status, caught.value.param) == (400, "starting_after")


def test_expansion_reaches_four_levels(client: Client, pay: Pay) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay().id})

    found = client.v1.refunds.retrieve(refund.id, {"expand": ["charge.payment_intent.latest_charge.refunds"]})

    assert found.charge.payment_intent.latest_charge.refunds.data[0].id == refund.id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.retrieve(refund.id, {"expand": ["charge.payment_intent.latest_charge.refunds.data"]})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.retrieve(refund.id, {"expand": ["reason"]})


def test_accounts_see_only_their_own(server: SandboxServer, five: list[str]) -> None:
    stranger = make_client(server.url, KEY + "_stranger")

    assert stranger.v1.refunds.list().data == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stranger.v1.refunds.retrieve(five[0])
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    assert raw(server.url, "GET", "/v1/account")[1]["id"].startswith("acct_sim_")
