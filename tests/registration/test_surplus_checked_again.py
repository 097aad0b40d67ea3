"""A refund of a surplus that waited is checked again before it is sent: it never pays back the order itself."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration.attention import advice, explanation
from registration.models import Conference, OpenItem, Order, Payment, Refund
from registration.models.refund import State
from registration.services.approval import approve_refund, reject_refund
from registration.services.errors import RefundError, RefundHeld, RefundOutcome
from registration.services.events import process
from registration.services.manual import pay_by_hand_instead
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from registration.services.undo import release_refund, send_due
from tests.registration.books import assert_books_agree, control, make_user, store, stripe_post
from tests.registration.desk import add_card_payment, card_order, refunds_at_stripe
from tests.registration.proposals import colleague

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


def of_a_cancelled_order(item: OpenItem) -> None:
    Order.objects.filter(pk=order_of(item).pk).update(status=Order.Status.CANCELLED)
    RefundService.create_refund(order_of(item), amount=Decimal("100.00"), destination=CARD, after_end=True)


def by_hand_later(item: OpenItem) -> None:
    """The whole price, while its transfer waits."""
    order = order_of(item)
    order.payments.filter(amount=Decimal("100.00")).update(method=Payment.Method.MANUAL)
    RefundService.create_refund(order, amount=Decimal("100.00"), destination=CARD)
    assert order_of(item).status != Order.Status.REFUNDED


def refund_shirt(item: OpenItem, **options: Any) -> Refund:
    order = order_of(item)
    shirt = order.line_items.create(description="T-shirt", unit_price=Decimal(20), line_total=Decimal(20))
    options = {"destination": CARD, "line_amounts": {shirt.pk: Decimal(20)}} | options
    RefundService.create_refund(order, amount=Decimal("20.00"), **options)
    return order.refunds.latest("pk")


NotTaking = Callable[[OpenItem], object]


@pytest.mark.trap(50)
@pytest.mark.parametrize("release", [release_refund, by_worker])
@pytest.mark.parametrize("meanwhile", [of_a_cancelled_order, by_hand_later, refund_shirt])
def test_a_surplus_is_not_taken_by_what_was_given_up(
    surplus: OpenItem, meanwhile: NotTaking, release: Callable[[Refund], Refund]
) -> None:
    held = hold(surplus)
    meanwhile(surplus)

    released = release(held)

    assert (released.state, str(released.refusal)) == (State.SUCCEEDED, "")
    assert_books_agree()


@pytest.mark.trap(11, 50)
def test_a_surplus_is_not_taken_by_a_shirt_that_was_paid_by_hand_in_the_end(
    surplus: OpenItem, sandbox: "SandboxServer"
) -> None:
    held = hold(surplus)
    shirt = refund_shirt(surplus)
    control(sandbox, f"refunds/{shirt.parts.get().stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(shirt)
    pay_by_hand_instead(shirt.parts.get(), reference="SEPA 1", staff_user=make_user("grace"))

    assert release_refund(held).state == State.SUCCEEDED
    assert order_of(surplus).refundable_amount == Decimal("80.00")
    assert_books_agree()


@pytest.mark.trap(50)
def test_a_shirt_given_up_beside_a_surplus_frees_nothing_of_the_rest(
    surplus: OpenItem, sandbox: "SandboxServer"
) -> None:
    held = hold(surplus)
    refund_shirt(surplus)
    refund_some(surplus, sandbox)

    released = release_refund(held)

    assert (released.state, str(released.refusal)) == (State.FAILED, GONE)
    assert order_of(surplus).refundable_amount == Decimal("90.00")
    assert_books_agree()


@pytest.mark.trap(50)
def test_some_of_a_cancelled_order_still_takes_its_surplus(surplus: OpenItem, sandbox: "SandboxServer") -> None:
    held = hold(surplus)
    Order.objects.filter(pk=order_of(surplus).pk).update(status=Order.Status.CANCELLED)
    RefundService.create_refund(order_of(surplus), amount=Decimal("99.99"), destination=CARD, after_end=True)

    assert str(release_refund(held).refusal) == GONE
    assert_books_agree()


@pytest.mark.trap(50)
@pytest.mark.parametrize("decide", ["reject", "approve"])
def test_a_proposal_takes_a_surplus_only_once_it_is_approved(surplus: OpenItem, decide: str) -> None:
    Conference.objects.update(support_refund_limit=Decimal("10.00"))
    held = hold(surplus)
    with pytest.raises(RefundOutcome):
        RefundService.create_refund(
            order_of(surplus),
            amount=Decimal("20.00"),
            destination=CARD,
            staff_user=colleague("sam", "Support"),
            propose=True,
        )
    proposed, grace = order_of(surplus).refunds.latest("pk"), colleague("grace", "Finance")
    assert proposed.state == State.AWAITING_APPROVAL
    if decide == "approve":
        approve_refund(proposed, staff_user=grace)
        assert str(release_refund(held).refusal) == GONE
    else:
        assert release_refund(held).state == State.SUCCEEDED
        reject_refund(proposed, staff_user=grace, reason="Not ours to give")
        assert order_of(surplus).refundable_amount == Decimal("100.00")
    assert_books_agree()


@pytest.mark.trap(50)
def test_of_two_proposals_the_surplus_goes_to_the_first_that_is_approved(surplus: OpenItem) -> None:
    Conference.objects.update(support_refund_limit=Decimal("10.00"))
    sam, grace = colleague("sam", "Support"), colleague("grace", "Finance")
    for item in (surplus, None):
        with pytest.raises(RefundOutcome):
            RefundService.create_refund(
                order_of(surplus),
                amount=Decimal("30.00"),
                destination=CARD,
                for_item=item,
                staff_user=sam,
                propose=True,
            )
    of_the_surplus, other = order_of(surplus).refunds.order_by("pk")

    approve_refund(other, staff_user=grace)
    with pytest.raises(RefundError, match=GONE):
        approve_refund(of_the_surplus, staff_user=grace)

    assert order_of(surplus).refunded_amount == Decimal("30.00")
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


@pytest.mark.trap(11, 50)
def test_what_failed_of_a_surplus_is_tried_again_after_the_cancelled_order_went_back(
    surplus: OpenItem, failed: Refund
) -> None:
    of_a_cancelled_order(surplus)

    RefundService.create_refund(
        order_of(surplus), amount=Decimal("30.00"), destination=CARD, retry_of=failed, after_end=True
    )

    assert order_of(surplus).refundable_amount == Decimal("0.00")
    assert_books_agree()
