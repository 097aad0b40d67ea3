"""Matching what no order knows to its order: first the order is shown, and only the second press books."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from registration.models import Conference, OpenItem, Order
from registration.services.events import intent_changed
from registration.services.external import apply_refund
from registration.stripe_gateway import gateway_for
from tests.cast import STRIPE_KEY, control, make_order, pay
from tests.dashboard.open_items import settle
from tests.dashboard.reading import text_of
from tests.registration.books import stripe_post
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind


@pytest.fixture
def item(conference: Conference, sandbox: "SandboxServer") -> OpenItem:
    """50.00 that somebody paid at Stripe."""
    payment = {"id": "pi_lost", "charge": "ch_lost", "amount": 5000, "currency": "eur"}
    control(sandbox, "seed", account_key=STRIPE_KEY, payments=[payment])
    intent_changed(conference, {"id": "pi_lost"})
    return OpenItem.objects.get(subject="pi_lost")


def shown(response: Any) -> dict[str, str]:
    """The hidden fields that the shown form sends along."""
    found = dict(re.findall(r'name="(confirmed|seen)" value="([^"]*)"', text_of(response)))
    assert found["confirmed"], "no order was shown"
    return found


def match(client: Client, item: OpenItem, reference: str, *, htmx: bool = False) -> Any:
    """Look at the order, then confirm."""
    return settle(
        client,
        item,
        "match",
        htmx=htmx,
        reference=reference,
        **shown(settle(client, item, "match", htmx=htmx, reference=reference)),
    )


@pytest.mark.trap(14)
@pytest.mark.parametrize("htmx", [True, False])
def test_the_first_press_shows_the_order_and_the_second_books(
    grace_client: Client, item: OpenItem, pending_order: Order, htmx: bool
) -> None:
    first = settle(grace_client, item, "match", htmx=htmx, reference=f" {pending_order.reference.lower()} ")

    page = text_of(first)
    assert first.status_code == 200
    assert f"Match to {pending_order.reference}" in page
    assert "Ada Lovelace" in page
    assert '<span class="was">€0.00</span>' in page
    assert "€50.00" in page
    pending_order.refresh_from_db()
    assert not pending_order.payments.exists()

    second = match(grace_client, item, pending_order.reference, htmx=htmx)

    assert second.status_code == (200 if htmx else 302)
    pending_order.refresh_from_db()
    assert pending_order.paid_amount == 50
    item.refresh_from_db()
    assert item.resolved_at is not None


@pytest.mark.trap(14)
def test_a_refund_of_it_is_matched_as_well(
    grace_client: Client, conference: Conference, item: OpenItem, pending_order: Order, sandbox: "SandboxServer"
) -> None:
    made = stripe_post(sandbox, "refunds", "payment_intent=pi_lost&amount=1000")
    apply_refund(conference, gateway_for(conference).fetch_refund(made["id"]))
    refund = OpenItem.objects.get(subject=made["id"])

    first = text_of(settle(grace_client, refund, "match", htmx=True, reference=pending_order.reference))
    match(grace_client, refund, pending_order.reference)
    match(grace_client, item, pending_order.reference)

    assert re.search(r"<dt>Refunded</dt>.*€0\.00.*€10\.00", first, re.DOTALL)
    pending_order.refresh_from_db()
    assert (pending_order.paid_amount, pending_order.refunded_amount) == (50, 10)
    assert not OpenItem.objects.unresolved().filter(kind=Kind.UNMATCHED).exists()


@pytest.mark.trap(14)
def test_another_order_than_was_shown_is_shown_first(
    grace_client: Client, item: OpenItem, pending_order: Order, conference: Conference, ada: Any
) -> None:
    other = make_order(conference, ada, total="50.00")
    seen = shown(settle(grace_client, item, "match", htmx=True, reference=pending_order.reference))

    response = settle(grace_client, item, "match", htmx=True, reference=other.reference, **seen)

    assert f"Match to {other.reference}" in text_of(response)
    assert not other.payments.exists()
    assert not pending_order.payments.exists()


@pytest.mark.trap(8)
def test_an_order_that_changed_since_is_looked_at_again(
    grace_client: Client, item: OpenItem, pending_order: Order
) -> None:
    seen = shown(settle(grace_client, item, "match", htmx=True, reference=pending_order.reference))
    pay(pending_order, "100.00")

    response = settle(grace_client, item, "match", htmx=True, reference=pending_order.reference, **seen)

    assert response.status_code == 422
    assert f"{pending_order.reference} changed since you looked." in text_of(response)
    assert 'name="confirmed" value=' not in text_of(response)
    assert pending_order.payments.count() == 1


@pytest.mark.parametrize(
    ("status", "paid", "says"),
    [
        (Order.Status.PAID, "80.00", "€50.00 of this comes on top of the total of "),
        (Order.Status.CANCELLED, "", "has ended (Cancelled)"),
    ],
)
def test_what_is_odd_about_it_is_said_before(
    grace_client: Client, item: OpenItem, conference: Conference, ada: Any, status: str, paid: str, says: str
) -> None:
    order = make_order(conference, ada, paid=paid, status=status)

    assert says in text_of(settle(grace_client, item, "match", htmx=True, reference=order.reference))


def test_a_payment_that_an_import_left_without_its_id_is_named(
    grace_client: Client, item: OpenItem, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, paid="50.00")
    order.payments.update(stripe_payment_intent_id="", stripe_charge_id="")

    page = text_of(settle(grace_client, item, "match", htmx=True, reference=order.reference))

    assert "without a Stripe ID: it is taken to be this one" in page
    assert '<span class="was">' not in page


@pytest.mark.trap(42)
def test_what_cannot_belong_together_is_refused_at_once(
    grace_client: Client, item: OpenItem, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    unknown = settle(grace_client, item, "match", htmx=True, reference="ORD-NOPE")
    order = make_order(conference, ada)
    Order.objects.filter(pk=order.pk).update(currency="USD")
    foreign = settle(grace_client, item, "match", htmx=True, reference=order.reference)
    with fault(sandbox, "server_error", count=9, path="/v1/payment_intents"):
        silent = settle(grace_client, item, "match", htmx=True, reference=order.reference)

    assert [each.status_code for each in (unknown, foreign, silent)] == [422, 422, 422]
    assert "has no order ORD-NOPE" in text_of(unknown)
    assert "in EUR and the order in USD" in text_of(foreign)
    assert "Nothing was changed." in text_of(silent)


def test_a_made_up_confirmation_books_nothing_of_what_changed(
    grace_client: Client, item: OpenItem, pending_order: Order
) -> None:
    reference = pending_order.reference

    response = settle(grace_client, item, "match", htmx=True, reference=reference, confirmed=reference, seen="")

    assert response.status_code == 422
    assert not pending_order.payments.exists()
