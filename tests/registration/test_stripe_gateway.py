"""The door to Stripe: which key may go where, what Stripe's answers become, and that secrets stay secret."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import stripe
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from registration import encryption
from registration.checks import check_demo_mode, check_live_keys
from registration.models import Conference, Order, Payment, Refund, RefundPart
from registration.services.refund import RefundService
from registration.services.resolve import refresh_part
from registration.stripe_gateway import API_VERSION, StripeRefused, advice_for, gateway_for, refund_parameters
from tests.registration.books import KEY, control, make_conference, make_order, make_refund, stripe_post
from tests.registration.desk import card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


def test_the_pinned_version_is_the_clients_own() -> None:
    assert stripe.api_version == API_VERSION


def test_a_live_key_never_goes_to_a_sandbox(sandbox: "SandboxServer") -> None:
    conference = make_conference(stripe_secret_key="sk_live_never")

    with pytest.raises(StripeRefused, match="never sent to a sandbox"):
        gateway_for(conference)
    assert [error.id for error in check_live_keys(None, databases=["default"])] == ["registration.E002"]


def test_a_live_key_may_go_to_stripe_itself(settings: Settings) -> None:
    settings.STRIPE_API_BASE = ""
    make_conference(stripe_secret_key="sk_live_never")

    assert check_live_keys(None, databases=["default"]) == []


def test_demo_mode_refuses_stripe_itself(settings: Settings) -> None:
    settings.DEMO_MODE, settings.STRIPE_API_BASE = True, "https://api.stripe.com"
    assert [error.id for error in check_demo_mode(None)] == ["registration.E001"]

    settings.STRIPE_API_BASE = "http://127.0.0.1:12111"
    assert check_demo_mode(None) == []
    assert checks.run_checks(tags=["security"]) == []


def test_keys_are_encrypted_at_rest() -> None:
    conference = make_conference(stripe_secret_key="sk_test_sandbox_secret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT stripe_secret_key FROM registration_conference WHERE id = %s", [conference.pk])
        (stored,) = cursor.fetchone()

    assert "secret" not in stored
    assert Conference.objects.get().stripe_secret_key == "sk_test_sandbox_secret"
    assert "secret" not in repr(conference)


def test_an_old_secret_key_still_decrypts(settings: Settings) -> None:
    make_conference(stripe_secret_key="sk_test_sandbox_secret")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-" + "y" * 40
    assert Conference.objects.get().stripe_secret_key == "sk_test_sandbox_secret"

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FALLBACKS"):
        Conference.objects.get()
    encryption._fernet.cache_clear()


@pytest.mark.trap(6)
def test_what_is_sent_for_a_part_is_frozen(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    RefundService.create_refund(order, amount=Decimal("10.00"), destination=Refund.Destination.CARD)
    part = RefundPart.objects.get()

    sent = refund_parameters(part)

    assert sent == {
        "payment_intent": part.payment.stripe_payment_intent_id,
        "amount": 1000,
        "reason": "requested_by_customer",
        "metadata": {"refund": str(part.refund.uuid), "part": str(part.uuid), "order": order.reference},
    }


@pytest.mark.trap(6, 15)
def test_the_key_travels_as_a_header_and_the_metadata_comes_back(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    RefundService.create_refund(order, amount=Decimal("10.00"), destination=Refund.Destination.CARD)
    part = RefundPart.objects.get()

    found = gateway_for(order.conference).find_refund(part)

    assert found is not None
    assert (found.id, found.amount, found.currency) == (part.stripe_refund_id, Decimal("10.00"), "USD")
    assert part.stripe_request_id
    assert (part.attempts, part.sent_at is not None) == (1, True)


def test_intents_and_disputes_are_read(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    gateway = gateway_for(order.conference)

    intent = gateway.fetch_payment_intent(order.payments.get().stripe_payment_intent_id)
    control(sandbox, f"charges/{intent.charge_id}/dispute", account_key=KEY, reason="fraudulent")
    found = stripe_get_dispute(sandbox, intent.charge_id)
    dispute = gateway.fetch_dispute(found)

    assert (intent.status, intent.amount, intent.livemode, intent.card_last4) == (
        "succeeded",
        Decimal("100.00"),
        False,
        "4242",
    )
    assert (dispute.charge_id, dispute.reason, dispute.amount) == (intent.charge_id, "fraudulent", Decimal("100.00"))
    assert dispute.due_by is not None


def stripe_get_dispute(sandbox: "SandboxServer", charge: str) -> str:
    from tests.registration.books import stripe_get

    return str(stripe_get(sandbox, f"disputes?charge={charge}")["data"][0]["id"])


def test_a_charge_without_an_intent_is_refunded_by_charge() -> None:
    order = make_order(make_conference(), "50.00", Order.Status.PAID)
    Payment.objects.create(
        order=order, amount=order.total, status=Payment.Status.SUCCEEDED, stripe_charge_id="ch_sim_alone"
    )

    assert refund_parameters(make_refund(order, "5.00", "requested"))["charge"] == "ch_sim_alone"


def test_an_empty_id_is_refused_before_it_becomes_a_list(sandbox: "SandboxServer") -> None:
    gateway = gateway_for(make_conference())

    with pytest.raises(StripeRefused, match="no Stripe id"):
        gateway.fetch_refund("")


@pytest.mark.trap(37)
@pytest.mark.parametrize(
    ("code", "param", "words"),
    [
        ("charge_not_refundable", None, "Offer credit or a bank transfer"),
        ("charge_disputed", None, "disputed"),
        ("refund_disputed_payment", None, "disputed"),
        ("charge_already_refunded", None, "already refunded"),
        ("livemode_mismatch", None, "mode"),
        ("resource_missing", None, "another account"),
        (None, "amount", "less left on this payment"),
        ("something_new", None, "No money moved"),
    ],
)
def test_every_refusal_has_advice(code: str | None, param: str | None, words: str) -> None:
    assert words in str(advice_for(stripe.InvalidRequestError("Simulated", param, code=code)))


@pytest.mark.trap(13)
def test_a_refund_that_waits_for_the_attendee_can_be_cancelled(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, card="pm_card_pendingRefund")
    RefundService.create_refund(order, amount=Decimal("10.00"), destination=Refund.Destination.CARD)
    part = RefundPart.objects.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/require_action")
    refresh_part(part)
    part.refresh_from_db()
    assert part.state == RefundPart.State.REQUIRES_ACTION

    gateway_for(order.conference).cancel_refund(part.stripe_refund_id or "")
    refresh_part(part)

    part.refresh_from_db()
    order.refresh_from_db()
    assert (part.state, order.refundable_amount) == (RefundPart.State.CANCELED, Decimal("100.00"))


def test_an_open_intent_is_cancelled(sandbox: "SandboxServer") -> None:
    intent = stripe_post(sandbox, "payment_intents", "amount=500&currency=usd")["id"]

    assert gateway_for(make_conference()).cancel_payment_intent(intent).status == "canceled"
