"""The published refund call: what it takes, what it refuses, what Stripe's books say afterwards."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from registration.models import Credit, OpenItem, Order, Payment, Refund
from registration.services.errors import DuplicateSubmit, RefundError, StaleBalance
from registration.services.open_items import open_item
from registration.services.planner import blocked_reason
from registration.services.refund import RefundService
from registration.services.verification.run import Ledger
from tests.registration.books import make_conference, make_order, make_user
from tests.registration.desk import add_card_payment, card_order, pay_at_stripe, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
CARD, CREDIT, SPLIT = Refund.Destination.CARD, Refund.Destination.CREDIT, Refund.Destination.SPLIT


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    return card_order(sandbox)


def refund(order: Order, amount: str, **options: Any) -> Credit:
    return RefundService.create_refund(order, amount=Decimal(amount), **options)


def test_partial_refund_reaches_stripe_and_issues_an_available_credit(sandbox: "SandboxServer", order: Order) -> None:
    grace = make_user("grace")

    credit = refund(order, "25.00", staff_user=grace)

    assert (credit.status, credit.amount, credit.remaining_amount) == (
        Credit.Status.AVAILABLE,
        Decimal("25.00"),
        Decimal("25.00"),
    )
    assert (credit.source_order, credit.issued_by, credit.user) == (order, grace, order.user)
    assert order.status == Order.Status.PARTIALLY_REFUNDED
    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [2500]
    assert list(Ledger().findings()) == []


def test_full_refund_makes_the_order_refunded(order: Order) -> None:
    refund(order, "100.00")

    order.refresh_from_db()
    assert (order.status, order.refundable_amount) == (Order.Status.REFUNDED, Decimal("0.00"))
    assert order.payments.get().status == Payment.Status.REFUNDED


def test_refund_to_the_card_leaves_nothing_to_spend(order: Order) -> None:
    credit = refund(order, "25.00", destination=CARD)

    assert (credit.status, credit.remaining_amount) == (Credit.Status.PAID_OUT, Decimal("0.00"))


def test_refund_as_credit_asks_stripe_nothing(sandbox: "SandboxServer", order: Order) -> None:
    credit = refund(order, "25.00", destination=CREDIT)

    assert (credit.status, credit.remaining_amount) == (Credit.Status.AVAILABLE, Decimal("25.00"))
    part = order.refunds.get().parts.get()
    assert (part.credit, part.settled_at is not None, part.accepted_at) == (credit, True, part.settled_at)
    assert refunds_at_stripe(sandbox, order) == []
    assert order.refundable_amount == Decimal("75.00")


def test_split_sends_one_share_to_the_card_and_keeps_the_other_as_credit(
    sandbox: "SandboxServer", order: Order
) -> None:
    credit = refund(order, "40.00", destination=SPLIT, credit_amount=Decimal("15.00"))

    assert credit.remaining_amount == Decimal("15.00")
    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [2500]
    assert order.refunded_amount == Decimal("40.00")


def test_a_kept_fee_stays_refundable(sandbox: "SandboxServer", order: Order) -> None:
    refund(order, "100.00", destination=CARD, fee_amount=Decimal("10.00"))

    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [9000]
    assert (order.status, order.refundable_amount) == (Order.Status.PARTIALLY_REFUNDED, Decimal("10.00"))


@pytest.mark.trap(1)
def test_two_equal_partial_refunds_are_two_refunds(sandbox: "SandboxServer", order: Order) -> None:
    refund(order, "25.00", destination=CARD)
    refund(order, "25.00", destination=CARD)

    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [2500, 2500]
    assert order.refunds.count() == 2


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "greater than zero"),
        ("-1", "greater than zero"),
        ("NaN", "greater than zero"),
        ("100.01", "At most"),
        ("0.001", "no amounts this small"),
    ],
)
@pytest.mark.trap(39)
def test_an_amount_that_cannot_be_changes_nothing(
    sandbox: "SandboxServer", order: Order, amount: str, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        refund(order, amount)

    assert not Refund.objects.exists()
    assert refunds_at_stripe(sandbox, order) == []


def test_an_order_that_is_not_paid_yet_is_refused(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PENDING)

    with pytest.raises(RefundError, match="Not refundable: the order is not paid in full yet."):
        refund(order, "1.00")


def test_what_was_paid_after_the_order_was_cancelled_goes_back(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(status=Order.Status.CANCELLED)
    order.refresh_from_db()

    with pytest.raises(RefundError, match="Not refundable: the order was cancelled."):
        refund(order, "1.00")
    refund(order, str(order.refundable_amount), destination=Refund.Destination.CARD, after_end=True)

    order.refresh_from_db()
    assert (order.status, order.refundable_amount) == (Order.Status.CANCELLED, Decimal("0.00"))
    with pytest.raises(RefundError, match="Not refundable: everything was refunded."):
        refund(order, "1.00")


def test_an_item_about_late_money_ends_when_all_of_it_went_back(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(status=Order.Status.CANCELLED)
    payment = order.payments.get()
    open_item(
        OpenItem.Kind.PAID_LATE, f"payment:{payment.pk}", conference=order.conference, order=order, payment=payment
    )

    refund(order, "1.00", destination=Refund.Destination.CARD, after_end=True)
    assert OpenItem.objects.unresolved().count() == 1
    order.refresh_from_db()
    refund(order, str(order.refundable_amount), destination=Refund.Destination.CARD, after_end=True)

    assert not OpenItem.objects.unresolved().exists()


def test_an_item_about_a_surplus_ends_when_the_surplus_went_back(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(total=order.total - Decimal("20.00"))
    payment = order.payments.get()
    open_item(
        OpenItem.Kind.OVERPAID, f"payment:{payment.pk}", conference=order.conference, order=order, payment=payment
    )

    refund(order, "19.00", destination=Refund.Destination.CARD)
    assert OpenItem.objects.unresolved().count() == 1
    refund(order, "1.00", destination=Refund.Destination.CARD)

    assert not OpenItem.objects.unresolved().exists()


def test_an_order_without_a_stripe_payment_is_refused(sandbox: "SandboxServer") -> None:
    order = make_order(make_conference(), "50.00", Order.Status.PAID)
    Payment.objects.create(
        order=order, method=Payment.Method.MANUAL, status=Payment.Status.SUCCEEDED, amount=Decimal("50.00")
    )

    with pytest.raises(RefundError, match="no card payment"):
        refund(order, "1.00")


@pytest.mark.trap(7)
def test_the_same_form_twice_finds_the_first_result(sandbox: "SandboxServer", order: Order) -> None:
    refund(order, "25.00", nonce="form-1")

    with pytest.raises(DuplicateSubmit) as caught:
        refund(order, "25.00", nonce="form-1")

    assert caught.value.refund == order.refunds.get()
    assert len(refunds_at_stripe(sandbox, order)) == 1


@pytest.mark.trap(8)
def test_a_stale_balance_is_told_what_changed(order: Order) -> None:
    refund(order, "25.00")

    with pytest.raises(StaleBalance, match=r"\$75\.00 can be refunded now, not \$100\.00"):
        refund(order, "25.00", balance_seen=Decimal("100.00"))


@pytest.mark.trap(21, 22)
def test_several_card_payments_are_refunded_part_by_part(sandbox: "SandboxServer", order: Order) -> None:
    add_card_payment(sandbox, order, "60.00")
    Order.objects.filter(pk=order.pk).update(total=Decimal("160.00"))

    refund(order, "120.00", destination=CARD)

    assert sorted(r["amount"] for r in refunds_at_stripe(sandbox, order)) == [2000, 10000]
    assert order.status == Order.Status.PARTIALLY_REFUNDED
    assert order.refundable_amount == Decimal("40.00")


@pytest.mark.trap(23)
def test_each_tender_goes_back_to_itself(sandbox: "SandboxServer") -> None:
    conference = make_conference()
    gift = Credit.objects.create(user=make_user(), conference=conference, amount=Decimal("40.00"))
    order = make_order(conference, "100.00")
    RefundService.apply_credit_as_refund(gift, order)
    add_card_payment(sandbox, order, "60.00")
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PAID)

    refund(order, "100.00", destination=CARD)

    gift.refresh_from_db()
    assert (gift.status, gift.remaining_amount) == (Credit.Status.AVAILABLE, Decimal("40.00"))
    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [6000]
    assert order.status == Order.Status.REFUNDED
    assert list(Ledger().findings()) == []


@pytest.mark.trap(46)
def test_goodwill_tied_to_an_order_leaves_its_balance_alone(order: Order) -> None:
    Credit.objects.create(
        user=order.user,
        conference=order.conference,
        kind=Credit.Kind.GOODWILL,
        amount=Decimal("30.00"),
        source_order=order,
    )

    order.refresh_from_db()
    assert order.refundable_amount == Decimal("100.00")


def test_a_credit_note_written_in_a_plain_way_lowers_the_balance(order: Order) -> None:
    Credit.objects.create(user=order.user, conference=order.conference, amount=Decimal("30.00"), source_order=order)

    with pytest.raises(RefundError, match=r"At most \$70\.00"):
        refund(order, "70.01")


def test_a_disputed_payment_is_refused_with_its_date(order: Order) -> None:
    order.payments.update(dispute={"created": 1777852800, "due_by": 1779062400, "is_charge_refundable": False})

    with pytest.raises(RefundError, match="disputed on 4 May, evidence due 18 May"):
        refund(order, "1.00")
    assert blocked_reason(Order.objects.get(pk=order.pk))


@pytest.mark.trap(42)
def test_a_payment_of_another_mode_is_refused(order: Order) -> None:
    order.payments.update(livemode=True)

    with pytest.raises(RefundError, match="another Stripe mode"):
        refund(order, "1.00")


def test_support_is_held_to_the_limit_of_the_conference(order: Order) -> None:
    order.conference.support_refund_limit = Decimal("20.00")
    order.conference.save()

    with pytest.raises(RefundError, match=r"up to \$20\.00 at once"):
        refund(order, "20.01", destination=CARD, staff_user=make_user("sam"))
    with pytest.raises(RefundError, match="at once"):  # The gift on top counts.
        refund(order, "10.01", staff_user=make_user("sam"))
    assert refund(order, "20.00", destination=CARD, staff_user=make_user("sam"))


def test_line_items_must_have_enough_left(order: Order) -> None:
    item = order.line_items.create(description="Dinner", unit_price=Decimal("50.00"), line_total=Decimal("50.00"))

    refund(order, "50.00", destination=CARD, line_amounts={item.pk: Decimal("50.00")})

    with pytest.raises(RefundError, match="less left than was selected"):
        refund(order, "1.00", destination=CARD, line_amounts={item.pk: Decimal("1.00")})


def test_line_items_must_add_up_to_the_amount(order: Order) -> None:
    item = order.line_items.create(description="Dinner", unit_price=Decimal("50.00"), line_total=Decimal("50.00"))

    with pytest.raises(RefundError, match="do not add up"):
        refund(order, "20.00", line_amounts={item.pk: Decimal("10.00")})


@pytest.mark.trap(38)
def test_yen_have_no_decimals(sandbox: "SandboxServer") -> None:
    order = make_order(make_conference("tokyo", currency="JPY"), "5000", Order.Status.PAID)
    intent = pay_at_stripe(sandbox, 5000, "jpy")
    Payment.objects.create(
        order=order, amount=Decimal(5000), status=Payment.Status.SUCCEEDED, stripe_payment_intent_id=intent
    )

    with pytest.raises(RefundError, match="no amounts this small"):
        refund(order, "10.50")
    refund(order, "1200", destination=CARD)

    assert [r["amount"] for r in refunds_at_stripe(sandbox, order)] == [1200]


@pytest.mark.django_db(transaction=True)
@pytest.mark.trap(9)
def test_a_refund_refuses_to_run_inside_a_transaction(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        refund(order, "1.00")

    assert refunds_at_stripe(sandbox, order) == []


def test_an_unknown_reason_is_kept_as_ours(order: Order) -> None:
    refund(order, "1.00", reason="Talk cancelled")

    made = order.refunds.get()
    assert (made.stripe_reason, made.reason) == ("requested_by_customer", "Talk cancelled")
