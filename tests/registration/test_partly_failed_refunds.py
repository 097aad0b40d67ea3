"""Refunds whose parts end differently: what each note, credit and item says follows what really moved."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration import stripe_gateway
from registration.models import Credit, CreditEntry, OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import State
from registration.services import sending
from registration.services.errors import RefundUnconfirmed
from registration.services.lines import line_item_balances
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open, resolve_refund
from tests.registration.books import assert_books_agree, control, make_order
from tests.registration.desk import add_card_payment, card_order, fault, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
Destination = Refund.Destination


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(sending, "BUSY_PAUSES", (0.0, 0.0))
    stripe_gateway._client.cache_clear()


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """60.00 and 40.00, by two cards."""
    made = card_order(sandbox, "60.00")
    Order.objects.filter(pk=made.pk).update(total=Decimal("100.00"), subtotal=Decimal("100.00"))
    add_card_payment(sandbox, made, "40.00")
    made.refresh_from_db()
    return made


def refund(order: Order, **how: Any) -> Credit:
    return RefundService.create_refund(order, amount=Decimal("100.00"), **how)


def fail_later(sandbox: "SandboxServer", amount: str) -> None:
    part = RefundPart.objects.get(amount=Decimal(amount), channel=RefundPart.Channel.STRIPE)
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(part.refund)


@pytest.mark.trap(11, 21)
def test_a_part_that_fails_later_takes_its_share_of_the_gift(sandbox: "SandboxServer", order: Order) -> None:
    gift = refund(order)

    fail_later(sandbox, "40.00")

    gift.refresh_from_db()
    order.refresh_from_db()
    assert (gift.remaining_amount, gift.status) == (Decimal("60.00"), Credit.Status.AVAILABLE)
    assert (order.refundable_amount, order.status) == (Decimal("40.00"), Order.Status.PARTIALLY_REFUNDED)
    fail_later(sandbox, "60.00")
    gift.refresh_from_db()
    assert (gift.remaining_amount, gift.status) == (Decimal("0.00"), Credit.Status.VOIDED)
    assert_books_agree()


@pytest.mark.trap(11)
def test_what_is_left_of_a_spent_gift_is_withdrawn_and_the_rest_is_shown(
    sandbox: "SandboxServer", order: Order
) -> None:
    gift = refund(order)
    RefundService.apply_credit_as_refund(gift, make_order(order.conference, "70.00"))

    fail_later(sandbox, "40.00")

    gift.refresh_from_db()
    item = OpenItem.objects.get(kind=OpenItem.Kind.CREDIT_SPENT)
    assert (gift.remaining_amount, item.facts["amount"]) == (Decimal("0.00"), "10.00")
    assert_books_agree()
    fail_later(sandbox, "60.00")
    items = OpenItem.objects.filter(kind=OpenItem.Kind.CREDIT_SPENT).order_by("pk")
    assert [item.facts["amount"] for item in items] == ["10.00", "60.00"]
    assert_books_agree()


@pytest.mark.parametrize(
    ("destination", "credit", "notes"),
    [
        (Destination.CARD, None, {("PAID_OUT", "60.00")}),
        (Destination.CARD_AND_CREDIT, None, {("AVAILABLE", "60.00")}),
        (Destination.SPLIT, "30.00", {("PAID_OUT", "60.00"), ("AVAILABLE", "30.00")}),
    ],
)
@pytest.mark.trap(4, 21)
def test_notes_cover_what_was_accepted_once_all_is_known(
    sandbox: "SandboxServer", order: Order, destination: str, credit: str | None, notes: set[tuple[str, str]]
) -> None:
    second = order.payments.order_by("pk")[1]
    Payment.objects.filter(pk=second.pk).update(stripe_payment_intent_id="pi_sim_unknown")
    with fault(sandbox, "reset_after_commit", method="POST"), pytest.raises(RefundUnconfirmed):
        refund(order, destination=destination, credit_amount=Decimal(credit) if credit else None)
    assert not order.issued_credits.exists()

    resolve_open(at_once=True)
    resolve_open(at_once=True)

    issued = {(c.status, str(c.amount)) for c in order.issued_credits.all()}
    assert issued == notes
    assert_books_agree()


@pytest.mark.trap(21)
def test_credit_waits_for_the_card_and_is_given_up_with_it(sandbox: "SandboxServer", order: Order) -> None:
    with fault(sandbox, "server_error_saved", count=2, method="POST"), pytest.raises(RefundUnconfirmed):
        refund(order, destination=Destination.SPLIT, credit_amount=Decimal("20.00"))

    resolve_open(at_once=True)

    order.refresh_from_db()
    assert order.refundable_amount == Decimal("100.00")
    assert not Credit.objects.exists()
    assert not CreditEntry.objects.exists()
    assert refunds_at_stripe(sandbox, order) == []
    assert {part.state for part in RefundPart.objects.all()} == {State.FAILED, State.CANCELED}
    assert_books_agree()


@pytest.mark.parametrize(("fee", "left"), [("0.00", ["24.00", "16.00"]), ("10.00", ["20.00", "13.33"])])
@pytest.mark.trap(21, 41)
def test_a_part_that_fails_gives_each_line_its_share_back(
    sandbox: "SandboxServer", order: Order, fee: str, left: list[str]
) -> None:
    names = {"Pass": "60.00", "Dinner": "40.00"}
    lines = [
        order.line_items.create(description=name, unit_price=Decimal(price), line_total=Decimal(price))
        for name, price in names.items()
    ]
    refund(
        order,
        destination=Destination.CARD,
        fee_amount=Decimal(fee),
        line_amounts={line.pk: line.line_total for line in lines},
    )
    assert list(line_item_balances(order).values()) == [Decimal(0), Decimal(0)]
    failing = RefundPart.objects.order_by("pk").last()
    assert failing is not None

    control(sandbox, f"refunds/{failing.stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(failing.refund)

    order = Order.objects.get(pk=order.pk)
    assert list(line_item_balances(order).values()) == [Decimal(each) for each in left]
    again = dict(zip((line.pk for line in lines), map(Decimal, left), strict=True))
    RefundService.create_refund(
        order, amount=sum(again.values(), Decimal(0)), destination=Destination.CARD, line_amounts=again
    )
    assert list(line_item_balances(order).values()) == [Decimal(0), Decimal(0)]
    assert_books_agree()
