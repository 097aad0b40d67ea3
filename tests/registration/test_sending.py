"""The second step alone: what is asked of Stripe when, what its answers mean, and how long it is waited for."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db.models import F
from django.utils import timezone

from registration import stripe_gateway
from registration.models import OpenItem, Order, RefundPart
from registration.models.refund import State
from registration.services import sending
from registration.services.errors import RefundRefused, RefundUnconfirmed
from registration.services.refund import RefundService
from registration.services.sending import send_part
from registration.stripe_gateway import StripeGateway, StripeRefused
from tests.registration.books import control, make_card_order, make_conference, make_refund, refund_at_stripe, seed
from tests.registration.desk import fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    stripe_gateway._client.cache_clear()


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 paid by a card that the sandbox knows."""
    seed(sandbox)
    return make_card_order(make_conference())


def refund(order: Order, amount: str = "40.00") -> None:
    RefundService.create_refund(order, amount=Decimal(amount), destination="CARD")


def unsent(order: Order, amount: str, **fields: Any) -> RefundPart:
    """A part that was decided and never sent, as a crash leaves it."""
    part = make_refund(order, amount, State.REQUESTED)
    RefundPart.objects.filter(pk=part.pk).update(**fields)
    return part


def test_what_is_settled_is_given_back_as_it_stands(sandbox: "SandboxServer", order: Order) -> None:
    refund(order)

    again = send_part(RefundPart.objects.get())

    assert (again.state, again.attempts) == (State.SUCCEEDED, 1)
    assert len(refunds_at_stripe(sandbox, order)) == 1


def test_a_sent_part_is_given_back_as_it_now_stands(sandbox: "SandboxServer", order: Order) -> None:
    sent = send_part(unsent(order, "40.00"))

    assert (sent.state, sent.stripe_refund_id) == (State.SUCCEEDED, refunds_at_stripe(sandbox, order)[0]["id"])


def test_a_success_carries_no_refusal(order: Order) -> None:
    refund(order)

    assert (order.refunds.get().refusal, RefundPart.objects.get().failure_reason) == ("", "")


@pytest.mark.trap(6)
def test_a_key_used_with_other_parameters_is_looked_up(sandbox: "SandboxServer", order: Order) -> None:
    with fault(sandbox, "garbage_after_commit", method="POST"), pytest.raises(RefundUnconfirmed):
        refund(order)
    Order.objects.filter(pk=order.pk).update(reference="ORD-CHANGED")  # The reference is sent along.

    sent = send_part(RefundPart.objects.get())

    assert (sent.state, sent.stripe_refund_id) == (State.SUCCEEDED, refunds_at_stripe(sandbox, order)[0]["id"])


@pytest.mark.trap(35)
def test_a_refund_that_our_books_forgot_is_found_when_nothing_is_left(sandbox: "SandboxServer", order: Order) -> None:
    """A backup was put back: Stripe has the refund, and our part does not know that it was sent."""
    part = unsent(order, "100.00")
    there = refund_at_stripe(sandbox, 10_000, part=str(part.uuid), refund=str(part.refund.uuid))

    sent = send_part(part)

    assert (sent.state, sent.stripe_refund_id) == (State.SUCCEEDED, there["id"])
    assert len(refunds_at_stripe(sandbox, order)) == 1


def test_a_refused_question_says_nothing_about_the_refund(sandbox: "SandboxServer", order: Order) -> None:
    part = unsent(order, "40.00", created_at=timezone.now() - timedelta(hours=25))
    part.payment.order.conference.stripe_secret_key = "sk_test_of_nobody"
    part.payment.order.conference.save()

    sent = send_part(part)

    assert sent.state == State.UNCONFIRMED
    order.refresh_from_db()
    assert order.reserved_amount == Decimal("40.00")


def test_a_refusal_without_a_code_is_kept_as_refused(sandbox: "SandboxServer", order: Order) -> None:
    refund_at_stripe(sandbox, 9_000)

    with pytest.raises(RefundRefused, match="less left"):
        refund(order)

    part = RefundPart.objects.get()
    assert (part.state, part.failure_reason) == (State.FAILED, "refused")
    item = OpenItem.objects.get(kind=OpenItem.Kind.FAILED)
    assert item.facts == {"amount": "40.00", "currency": "USD", "cause": "refused"}


def test_a_refusal_with_a_code_keeps_it(sandbox: "SandboxServer", order: Order) -> None:
    control(sandbox, "charges/ch_sim_1/dispute")

    with pytest.raises(RefundRefused, match="disputed"):
        refund(order)

    part = RefundPart.objects.get()
    assert part.failure_reason == "charge_disputed"
    assert part.stripe_request_id.startswith("req_")


def test_what_stripe_never_received_ends_after_a_day(sandbox: "SandboxServer", order: Order) -> None:
    yesterday = timezone.now() - timedelta(hours=25)
    part = unsent(order, "40.00", state=State.UNCONFIRMED, sent_at=yesterday)

    sent = send_part(part)

    assert (sent.state, sent.failure_reason) == (State.FAILED, "refused")
    assert str(sent.refund.refusal) == "Stripe never received this refund. No money moved."
    assert refunds_at_stripe(sandbox, order) == []


@pytest.mark.parametrize(("hours", "sends"), [(22, 1), (24, 0)])
def test_a_key_is_sent_again_only_while_it_is_young(
    sandbox: "SandboxServer", order: Order, hours: int, sends: int
) -> None:
    part = unsent(order, "40.00", state=State.UNCONFIRMED, sent_at=timezone.now() - timedelta(hours=hours))

    send_part(part)

    assert len(refunds_at_stripe(sandbox, order)) == sends


@pytest.mark.trap(2)
@pytest.mark.parametrize(("hours", "sends"), [(22, 1), (25, 0)])
def test_a_process_that_slept_goes_by_when_another_one_sent_it(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch, hours: int, sends: int
) -> None:
    part = unsent(order, "40.00")
    first_sent = timezone.now() - timedelta(hours=hours)

    def sleep_until_another_sent_it(part: RefundPart) -> bool:
        RefundPart.objects.filter(pk=part.pk).update(state=State.UNCONFIRMED, sent_at=first_sent, attempts=1)
        return True

    monkeypatch.setattr(sending, "_key_is_safe", sleep_until_another_sent_it)

    sent = send_part(part)

    assert len(refunds_at_stripe(sandbox, order)) == sends
    assert sent.sent_at == first_sent


@pytest.mark.trap(36)
def test_a_busy_stripe_is_asked_again_after_pauses_that_jitter(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(sending.time, "sleep", pauses.append)

    with fault(sandbox, "rate_limit", count=3, method="POST"), pytest.raises(RefundUnconfirmed):
        refund(order)

    part = RefundPart.objects.get()
    first, second = pauses
    assert (0.2 <= first < 0.4, 0.5 <= second < 1.0) == (True, True)
    assert (part.state, part.attempts, str(part.last_problem)) == (State.REQUESTED, 1, "Stripe is busy.")
    assert sending.send_part(part).state == State.SUCCEEDED


@pytest.mark.trap(2)
def test_a_refusal_says_little_when_another_process_sent_it_too(
    sandbox: "SandboxServer", order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = unsent(order, "40.00")

    def another_one_was_first(gateway: StripeGateway, part: RefundPart) -> None:
        RefundPart.objects.filter(pk=part.pk).update(attempts=F("attempts") + 1)
        gateway.send_refund(part)
        raise StripeRefused("The key was changed.", code="api_key_expired")

    monkeypatch.setattr(sending, "_patiently", another_one_was_first)

    assert send_part(part).state == State.SUCCEEDED
