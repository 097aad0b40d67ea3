"""A refund of a surplus that waited is checked again before it is sent: it never pays back the order itself."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration.attention import advice, explanation
from registration.models import OpenItem, Order, Refund
from registration.models.refund import State
from registration.services.errors import RefundError, RefundHeld
from registration.services.events import process
from registration.services.manual import pay_by_hand_instead
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from registration.services.undo import release_refund, send_due
from tests.registration.books import assert_books_agree, control, make_user, store, stripe_post
from tests.registration.desk import add_card_payment, card_order, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
CARD = Refund.Destination.CARD
GONE = "What was paid too much is not there any more, so this would pay back the order itself."


@pytest.fixture
def surplus(sandbox: "SandboxServer") -> OpenItem:
    """30.00 above a total of 100.00, from a second card."""
    order = card_order(sandbox, "100.00")
    payment = add_card_payment(sandbox, order, "30.00")
    facts = {"amount": "30.00", "currency": "USD"}
    about: dict[str, Any] = {"conference": order.conference, "order": order, "payment": payment, "facts": facts}
    return OpenItem.objects.create(kind=OpenItem.Kind.OVERPAID, subject=f"payment:{payment.pk}", **about)


def order_of(item: OpenItem) -> Order:
    assert item.order is not None
    return Order.objects.get(pk=item.order.pk)


def hold(item: OpenItem, **options: Any) -> Refund:
    options = {"destination": CARD, "for_item": item} | options
    with pytest.raises(RefundHeld) as held:
        RefundService.create_refund(order_of(item), amount=Decimal("30.00"), hold_seconds=60, **options)
    return held.value.refund


def by_worker(refund: Refund) -> Refund:
    Refund.objects.filter(pk=refund.pk).update(hold_until=timezone.now())
    send_due(at_once=True)
    return Refund.objects.get(pk=refund.pk)


def refund_some(item: OpenItem, sandbox: "SandboxServer") -> None:
    RefundService.create_refund(order_of(item), amount=Decimal("20.00"), destination=CARD)


def refund_at_stripe(item: OpenItem, sandbox: "SandboxServer") -> None:
    intent = order_of(item).payments.earliest("pk").stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=2000")
    process(store(item.conference, "refund.created", {"id": made["id"]}))


def add_a_workshop(item: OpenItem, sandbox: "SandboxServer") -> None:
    Order.objects.filter(pk=order_of(item).pk).update(total=Decimal("130.00"), subtotal=Decimal("130.00"))


Meanwhile = Callable[[OpenItem, "SandboxServer"], None]


@pytest.mark.trap(50)
@pytest.mark.parametrize("release", [release_refund, by_worker])
@pytest.mark.parametrize("meanwhile", [refund_some, refund_at_stripe, add_a_workshop])
@pytest.mark.parametrize("destination", [CARD, Refund.Destination.CREDIT])
def test_a_surplus_that_went_in_the_seconds_to_undo_is_not_sent(
    surplus: OpenItem,
    sandbox: "SandboxServer",
    meanwhile: Meanwhile,
    release: Callable[[Refund], Refund],
    destination: str,
) -> None:
    held = hold(surplus, destination=destination)
    meanwhile(surplus, sandbox)
    before = order_of(surplus).refunded_amount

    released = release(held)

    assert (released.state, str(released.refusal)) == (State.FAILED, GONE)
    order = order_of(surplus)
    assert (order.refunded_amount, order.reserved_amount) == (before, Decimal("0.00"))
    assert sum(each["amount"] for each in refunds_at_stripe(sandbox, order)) == int(before * 100)
    item = OpenItem.objects.unresolved().get(kind=OpenItem.Kind.FAILED)
    assert explanation(item) == f"A refund of $30.00 was not sent. {GONE}"
    assert advice(item).startswith("Look at the order first.")
    assert_books_agree()


def test_a_surplus_that_is_still_there_is_sent(surplus: OpenItem, sandbox: "SandboxServer") -> None:
    released = release_refund(hold(surplus))

    assert released.state == State.SUCCEEDED
    assert [each["amount"] for each in refunds_at_stripe(sandbox, order_of(surplus))] == [3_000]
    assert_books_agree()


def test_a_surplus_goes_back_also_when_the_order_itself_did(surplus: OpenItem, sandbox: "SandboxServer") -> None:
    held = hold(surplus)
    RefundService.create_refund(order_of(surplus), amount=Decimal("100.00"), destination=CARD)

    released = release_refund(held)

    assert (released.state, order_of(surplus).status) == (State.SUCCEEDED, Order.Status.REFUNDED)
    assert sum(each["amount"] for each in refunds_at_stripe(sandbox, order_of(surplus))) == 13_000
    assert_books_agree()


@pytest.fixture
def failed(surplus: OpenItem, sandbox: "SandboxServer") -> Refund:
    """The surplus, sent back, accepted and failed later."""
    RefundService.create_refund(order_of(surplus), amount=Decimal("30.00"), destination=CARD, for_item=surplus)
    refund = Refund.objects.get()
    for part in refund.parts.all():
        control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    return resolve_refund(refund)


@pytest.mark.trap(11, 50)
def test_what_failed_of_a_surplus_is_tried_again_only_while_there_is_one(
    surplus: OpenItem, failed: Refund, sandbox: "SandboxServer"
) -> None:
    refund_some(surplus, sandbox)
    before = Refund.objects.count()

    with pytest.raises(RefundError, match=GONE):
        RefundService.create_refund(order_of(surplus), amount=Decimal("30.00"), destination=CARD, retry_of=failed)
    with pytest.raises(RefundError, match=GONE):
        pay_by_hand_instead(failed.parts.earliest("pk"), reference="SEPA 1", staff_user=make_user("grace"))

    assert Refund.objects.count() == before
    assert RefundService.create_refund(
        order_of(surplus), amount=Decimal("10.00"), destination=CARD, retry_of=failed
    ).amount == Decimal("10.00")
    assert_books_agree()


@pytest.mark.trap(11, 50)
def test_a_held_retry_of_a_surplus_is_checked_again_too(
    surplus: OpenItem, failed: Refund, sandbox: "SandboxServer"
) -> None:
    held = hold(surplus, for_item=None, retry_of=failed)
    add_a_workshop(surplus, sandbox)

    released = release_refund(held)

    assert (released.state, str(released.refusal)) == (State.FAILED, GONE)
    assert order_of(surplus).refundable_amount == Decimal("130.00")
    assert_books_agree()
