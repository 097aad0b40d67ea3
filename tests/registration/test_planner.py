"""The plan shows the numbers that the service then acts on."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from registration.models import Credit, Order, Payment, Refund, RefundPart
from registration.services.errors import RefundError
from registration.services.lines import lines_left, total_of
from registration.services.planner import RefundPlan, blocked_reason, fee_from_percent, plan_refund, refund_ceiling
from tests.registration.books import make_conference, make_order, make_refund

pytestmark = pytest.mark.django_db
Channel = RefundPart.Channel
Destination = Refund.Destination


def paid(total: str = "100.00", **tenders: str) -> Order:
    """An order paid by several tenders: ``paid(stripe="60.00", credit="40.00")``."""
    order = make_order(make_conference(), total, Order.Status.PAID)
    for number, (method, amount) in enumerate((tenders or {"stripe": total}).items()):
        Payment.objects.create(
            order=order,
            method=method.upper(),
            amount=Decimal(amount),
            status=Payment.Status.SUCCEEDED,
            stripe_payment_intent_id=f"pi_sim_{number}" if method == "stripe" else "",
        )
    return Order.objects.get(pk=order.pk)


def plan(order: Order, amount: str, destination: str = Destination.CARD, **options: Any) -> RefundPlan:
    return plan_refund(order, amount=Decimal(amount), destination=destination, **options)


def channels(made: RefundPlan) -> list[tuple[str, Decimal]]:
    return [(part.channel, part.amount) for part in made.parts]


def test_tenders_are_taken_card_first_and_by_hand_last() -> None:
    order = paid(manual="10.00", credit="30.00", stripe="60.00")

    made = plan(order, "95.00")

    assert channels(made) == [
        (Channel.STRIPE, Decimal("60.00")),
        (Channel.CREDIT_RETURN, Decimal("30.00")),
        (Channel.MANUAL, Decimal("5.00")),
    ]
    assert (made.card_amount, made.credit_amount, made.manual_amount) == (
        Decimal("60.00"),
        Decimal("30.00"),
        Decimal("5.00"),
    )


def test_a_gesture_doubles_only_what_leaves_the_house() -> None:
    made = plan(paid(stripe="60.00", credit="40.00"), "100.00", Destination.CARD_AND_CREDIT)

    assert (made.goodwill_amount, made.total_out) == (Decimal("60.00"), Decimal("160.00"))


@pytest.mark.trap(24)
@pytest.mark.parametrize("destination", [Destination.CARD, Destination.CREDIT])
def test_nothing_is_doubled_unless_chosen(destination: str) -> None:
    assert plan(paid(), "50.00", destination).total_out == Decimal("50.00")


def test_the_plan_says_what_will_be() -> None:
    made = plan(paid(), "40.00")

    assert (made.refundable_before, made.refundable_after) == (Decimal("100.00"), Decimal("60.00"))
    assert (made.status_before, made.status_after) == (Order.Status.PAID, Order.Status.PARTIALLY_REFUNDED)
    assert plan(Order.objects.get(), "100.00").status_after == Order.Status.REFUNDED


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fee_amount": Decimal("50.00")}, "fee must be less"),
        ({"fee_amount": Decimal("-1")}, "fee must be less"),
        ({"destination": Destination.SPLIT}, "how much becomes credit"),
        ({"destination": Destination.SPLIT, "credit_amount": Decimal("50.00")}, "how much becomes credit"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RefundError, match=words):
        plan(paid(), "50.00", **options)


@pytest.mark.parametrize(
    ("status", "words"),
    [("PENDING", "nothing was paid yet"), ("REFUNDED", "everything was refunded"), ("CANCELLED", "was cancelled")],
)
def test_every_missing_button_has_a_reason(status: str, words: str) -> None:
    order = make_order(make_conference(), "100.00", status)

    assert words in blocked_reason(order)


@pytest.mark.parametrize("status", [Order.Status.REFUNDED, Order.Status.CANCELLED])
def test_money_that_is_left_after_the_end_can_go_back(status: str) -> None:
    order = paid()
    Order.objects.filter(pk=order.pk).update(status=status)
    order.refresh_from_db()

    assert blocked_reason(order) == ""
    assert refund_ceiling(order) == Decimal("100.00")
    assert plan(order, "100.00", after_end=True).status_after == status
    with pytest.raises(RefundError, match="Not refundable"):
        plan(order, "100.00")


def test_a_lost_dispute_is_called_lost() -> None:
    order = paid()
    payment = order.payments.get()
    payment.dispute = {"status": "lost", "is_charge_refundable": False, "due_by": 1793793778}
    payment.save()

    reason = blocked_reason(Order.objects.get(pk=order.pk))

    assert reason == "Not refundable: disputed and lost; the bank has taken the money back."


def test_what_is_on_its_way_is_said() -> None:
    order = paid()
    make_refund(order, "100.00", Refund.State.UNCONFIRMED)

    fresh = Order.objects.get(pk=order.pk)
    assert blocked_reason(fresh) == "Not refundable: $100.00 is reserved and nothing else is left."
    assert refund_ceiling(fresh) == Decimal("0.00")


def test_nothing_paid_is_said() -> None:
    order = make_order(make_conference(), "0.00", Order.Status.PAID)
    Payment.objects.create(
        order=order, method=Payment.Method.COMP, amount=Decimal("80.00"), status=Payment.Status.SUCCEEDED
    )

    said = blocked_reason(Order.objects.get(pk=order.pk))
    assert said == "Not refundable: complimentary, so nothing was paid that could go back."


def test_a_percentage_makes_a_fee_in_steps_of_the_currency() -> None:
    assert fee_from_percent(Decimal("99.99"), Decimal(0), "EUR") == Decimal("0.00")
    assert fee_from_percent(Decimal("99.99"), Decimal(10), "EUR") == Decimal("10.00")
    assert fee_from_percent(Decimal(1234), Decimal(10), "JPY") == Decimal(123)
    with pytest.raises(RefundError, match="percentage"):
        fee_from_percent(Decimal(10), Decimal(100), "EUR")


def test_lines_offer_no_more_than_the_order_has_left() -> None:
    order = paid()
    order.line_items.create(description="Pass", unit_price=Decimal("100.00"), line_total=Decimal("100.00"))
    make_refund(order, "80.00", Refund.State.SUCCEEDED)

    (line,) = lines_left(Order.objects.get(pk=order.pk))

    assert (line.refunded_amount, line.left_amount) == (Decimal("0.00"), Decimal("20.00"))
    assert total_of([Decimal("1.10"), Decimal("2.20")]) == Decimal("3.30")


def test_a_credit_payment_without_a_known_credit_still_returns() -> None:
    order = paid(stripe="60.00", credit="40.00")

    assert channels(plan(order, "40.00", Destination.CREDIT))[0][0] == Channel.STORE_CREDIT
    assert Credit.objects.count() == 0


class PlansAddUp(TestCase):
    """Whatever was paid how, a plan's parts add up and no payment gives more than it has."""

    @settings(max_examples=40, deadline=None)
    @given(
        cents=st.lists(st.integers(1, 50_000), min_size=1, max_size=4),
        share=st.integers(1, 100),
        destination=st.sampled_from([Destination.CARD, Destination.CREDIT]),
    )
    def test_parts_add_up(self, cents: list[int], share: int, destination: str) -> None:
        order = make_order(make_conference(), "1.00", Order.Status.PAID)
        methods = ["STRIPE", "CREDIT", "MANUAL", "TERMINAL"]
        for number, amount in enumerate(cents):
            Payment.objects.create(
                order=order,
                method=methods[number],
                status=Payment.Status.SUCCEEDED,
                amount=Decimal(amount) / 100,
                stripe_payment_intent_id="pi_sim_x" if number == 0 else "",
            )
        asked = Decimal(max(1, sum(cents) * share // 100)) / 100

        made = plan_refund(Order.objects.get(pk=order.pk), amount=asked, destination=destination)

        assert sum(part.amount for part in made.parts) == made.amount == asked
        assert all(0 < part.amount <= part.payment.refundable_amount for part in made.parts)
