"""Paying pending orders from credit, and giving it back."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration.models import Conference, Credit, CreditEntry, OpenItem, Order, Payment
from registration.services.credit_payment import release_due, release_order
from registration.services.errors import RefundError, StaleBalance
from registration.services.planner import plan_credit
from registration.services.refund import RefundService
from registration.services.verification.run import Ledger
from registration.signals import order_paid
from tests.registration.books import make_conference, make_order, make_user, stripe_get
from tests.registration.desk import pay_at_stripe

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.fixture
def order(conference: Conference) -> Order:
    return make_order(conference, "100.00")


def make_credit(conference: Conference, amount: str, **fields: Any) -> Credit:
    fields = {"user": make_user(), "conference": conference, "amount": Decimal(amount)} | fields
    return Credit.objects.create(**fields)


def test_a_smaller_credit_pays_part_and_is_used_up(conference: Conference, order: Order) -> None:
    credit = make_credit(conference, "40.00")

    payment = RefundService.apply_credit_as_refund(credit, order)

    assert (payment.method, payment.status, payment.amount) == ("CREDIT", "SUCCEEDED", Decimal("40.00"))
    assert (credit.status, credit.remaining_amount, credit.applied_to_order) == (
        Credit.Status.APPLIED,
        Decimal("0.00"),
        order,
    )
    assert (order.status, order.due_amount) == (Order.Status.PENDING, Decimal("60.00"))
    assert list(Ledger().findings()) == []


def test_a_larger_credit_pays_the_order_and_keeps_the_rest(
    conference: Conference, order: Order, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    credit = make_credit(conference, "140.00")
    Order.objects.filter(pk=order.pk).update(hold_expires_at=timezone.now())
    paid: list[Any] = []

    def listener(sender: Any, order: Order, user: Any, **more: Any) -> None:
        paid.append((sender, order.pk, user))

    order_paid.connect(listener)
    with django_capture_on_commit_callbacks(execute=True):
        RefundService.apply_credit_as_refund(credit, order)
    order_paid.disconnect(listener)

    assert (credit.status, credit.remaining_amount) == (Credit.Status.AVAILABLE, Decimal("40.00"))
    assert (order.status, order.hold_expires_at) == (Order.Status.PAID, None)
    assert paid == [(Order, order.pk, order.user)]


@pytest.mark.parametrize("status", [Credit.Status.APPLIED, Credit.Status.EXPIRED, Credit.Status.VOIDED])
def test_a_credit_that_is_not_available_is_refused(conference: Conference, order: Order, status: str) -> None:
    with pytest.raises(RefundError, match="nothing left to spend"):
        RefundService.apply_credit_as_refund(make_credit(conference, "40.00", status=status), order)
    assert not order.payments.exists()


def test_an_empty_or_expired_credit_is_refused(conference: Conference, order: Order) -> None:
    empty = make_credit(conference, "40.00", remaining_amount=Decimal("0.00"))
    late = make_credit(conference, "40.00", expires_at=timezone.now())

    for credit in (empty, late):
        with pytest.raises(RefundError, match="nothing left to spend"):
            RefundService.apply_credit_as_refund(credit, order)


@pytest.mark.parametrize("status", [Order.Status.PAID, Order.Status.CANCELLED, Order.Status.REFUNDED])
def test_an_order_that_does_not_wait_for_payment_is_refused(conference: Conference, status: str) -> None:
    with pytest.raises(RefundError, match="waits for payment"):
        RefundService.apply_credit_as_refund(make_credit(conference, "40.00"), make_order(conference, "10.00", status))


def test_an_order_that_is_paid_already_is_refused(conference: Conference, order: Order) -> None:
    Payment.objects.create(order=order, amount=order.total, status=Payment.Status.SUCCEEDED)

    with pytest.raises(RefundError, match="paid already"):
        RefundService.apply_credit_as_refund(make_credit(conference, "40.00"), order)


def test_another_attendees_or_conferences_credit_is_refused(conference: Conference, order: Order) -> None:
    strangers = make_credit(conference, "40.00", user=make_user("bob"))
    elsewhere = make_credit(make_conference("elsewhere"), "40.00")

    for credit in (strangers, elsewhere):
        with pytest.raises(RefundError, match="another attendee or conference"):
            RefundService.apply_credit_as_refund(credit, order)


@pytest.mark.trap(27)
def test_one_credit_on_several_orders_lists_every_use(conference: Conference, order: Order) -> None:
    credit = make_credit(conference, "150.00")
    other = make_order(conference, "30.00")

    RefundService.apply_credit_as_refund(credit, order)
    RefundService.apply_credit_as_refund(credit, other)

    uses = credit.entries.filter(kind=CreditEntry.Kind.APPLIED).values_list("order", "amount")
    assert list(uses) == [(order.pk, Decimal("-100.00")), (other.pk, Decimal("-30.00"))]
    assert credit.remaining_amount == Decimal("20.00")


def test_several_credits_pay_oldest_expiry_first(conference: Conference, order: Order) -> None:
    lasting = make_credit(conference, "80.00")
    ending = make_credit(conference, "50.00", expires_at=timezone.now() + timedelta(days=3))

    payments = RefundService.apply_credits([lasting, ending], order, staff_user=make_user("grace"))

    assert [(p.credit, p.amount) for p in payments] == [(ending, Decimal("50.00")), (lasting, Decimal("50.00"))]
    assert order.status == Order.Status.PAID


def test_the_end_decides_which_credit_is_first_not_when_it_was_given(conference: Conference, order: Order) -> None:
    later = make_credit(conference, "60.00", expires_at=timezone.now() + timedelta(days=9))
    sooner = make_credit(conference, "60.00", expires_at=timezone.now() + timedelta(days=3))

    payments = RefundService.apply_credits([later, sooner], order, staff_user=None)

    assert [(p.credit, p.amount) for p in payments] == [(sooner, Decimal("60.00")), (later, Decimal("40.00"))]


def test_cents_that_are_left_pay_too(conference: Conference, order: Order) -> None:
    cents = make_credit(conference, "0.50")

    assert RefundService.apply_credit_as_refund(cents, order).amount == Decimal("0.50")
    assert order.due_amount == Decimal("99.50")


def test_no_more_than_asked_is_applied(conference: Conference, order: Order) -> None:
    credit = make_credit(conference, "80.00")

    RefundService.apply_credits([credit], order, staff_user=None, amount=Decimal("30.00"))

    assert order.due_amount == Decimal("70.00")
    with pytest.raises(RefundError, match=r"At most \$50\.00"):
        RefundService.apply_credits([credit], order, staff_user=None, amount=Decimal("50.01"))
    with pytest.raises(RefundError, match="Choose a credit"):
        RefundService.apply_credits([], order, staff_user=None)
    with pytest.raises(StaleBalance, match=r"\$70\.00 is due now"):
        RefundService.apply_credits([credit], order, staff_user=None, balance_seen=Decimal("100.00"))


def test_the_plan_skips_what_cannot_be_spent(conference: Conference, order: Order) -> None:
    used = make_credit(conference, "40.00", status=Credit.Status.APPLIED)
    good = make_credit(conference, "60.00")

    assert plan_credit([used, good], order) == [(good, Decimal("60.00"))]


@pytest.mark.trap(28, 29)
def test_an_open_intent_is_cancelled_when_credit_pays(
    sandbox: "SandboxServer",
    conference: Conference,
    order: Order,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    from tests.registration.books import stripe_post

    intent = stripe_post(sandbox, "payment_intents", "amount=10000&currency=usd")["id"]
    Payment.objects.create(order=order, amount=order.total, stripe_payment_intent_id=intent)

    with django_capture_on_commit_callbacks(execute=True):
        RefundService.apply_credit_as_refund(make_credit(conference, "100.00"), order)

    assert stripe_get(sandbox, f"payment_intents/{intent}")["status"] == "canceled"
    assert order.payments.get(stripe_payment_intent_id=intent).status == Payment.Status.FAILED


@pytest.mark.trap(29)
def test_an_intent_that_was_paid_meanwhile_is_an_open_item(
    sandbox: "SandboxServer",
    conference: Conference,
    order: Order,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    Payment.objects.create(order=order, amount=order.total, stripe_payment_intent_id=pay_at_stripe(sandbox, 10_000))

    with django_capture_on_commit_callbacks(execute=True):
        RefundService.apply_credit_as_refund(make_credit(conference, "100.00"), order)

    assert order.open_items.unresolved().get().kind == OpenItem.Kind.OVERPAID


@pytest.mark.trap(26)
def test_releasing_an_order_gives_its_credit_back(conference: Conference, order: Order) -> None:
    credit = make_credit(conference, "40.00")
    RefundService.apply_credit_as_refund(credit, order)

    release_order(order, staff_user=make_user("grace"))

    credit.refresh_from_db()
    assert (credit.status, credit.remaining_amount) == (Credit.Status.AVAILABLE, Decimal("40.00"))
    assert order.status == Order.Status.CANCELLED
    assert list(Ledger().findings()) == []
    with pytest.raises(RefundError, match="waits for payment"):
        release_order(order)


@pytest.mark.trap(26)
def test_a_hold_that_runs_out_gives_the_credit_back(conference: Conference, order: Order) -> None:
    credit = make_credit(conference, "40.00")
    RefundService.apply_credit_as_refund(credit, order)
    assert release_due() == 0
    Order.objects.filter(pk=order.pk).update(hold_expires_at=timezone.now() + timedelta(hours=1))
    assert release_due() == 0
    Order.objects.filter(pk=order.pk).update(hold_expires_at=timezone.now())

    assert (release_due(), release_due()) == (1, 0)

    credit.refresh_from_db()
    order.refresh_from_db()
    assert (credit.remaining_amount, order.status) == (Decimal("40.00"), Order.Status.CANCELLED)
    assert list(Ledger().findings()) == []


def test_a_hold_that_runs_out_leaves_card_money_alone(conference: Conference, order: Order) -> None:
    RefundService.apply_credit_as_refund(make_credit(conference, "40.00"), order)
    Payment.objects.create(order=order, amount=Decimal("10.00"), status=Payment.Status.SUCCEEDED)
    Order.objects.filter(pk=order.pk).update(hold_expires_at=timezone.now())

    assert release_due() == 0


def test_an_order_partly_paid_by_card_is_not_released(order: Order) -> None:
    Payment.objects.create(order=order, amount=Decimal("10.00"), status=Payment.Status.SUCCEEDED)

    with pytest.raises(RefundError, match="settle that first"):
        release_order(order)


def test_credit_beside_another_payment_keeps_an_order_from_being_released(conference: Conference, order: Order) -> None:
    RefundService.apply_credit_as_refund(make_credit(conference, "40.00"), order)
    Payment.objects.create(order=order, amount=Decimal("20.00"), status="SUCCEEDED", method="MANUAL")

    with pytest.raises(RefundError, match="Part of this order is paid by card or by hand; settle that first"):
        release_order(order)

    order.refresh_from_db()
    assert (order.status, order.due_amount) == (Order.Status.PENDING, Decimal("40.00"))
