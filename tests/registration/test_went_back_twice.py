"""Money that went back as credit here and to the card at Stripe: shown, and settled by taking the credit back."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError
from django.utils import timezone

from registration.attention import advice, explanation
from registration.models import Credit, CreditEntry, OpenItem, Order, Refund, RefundPart, StripeEvent
from registration.models.refund import State
from registration.sentences import sentence
from registration.services.attention import acknowledge
from registration.services.credit import CreditService
from registration.services.errors import RefundError, RefundHeld
from registration.services.events import process, process_due
from registration.services.external import apply_refund
from registration.services.refund import RefundService
from registration.services.twice import take_credit_back
from registration.services.undo import undo_refund
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, control, make_order, make_user, store, stripe_post
from tests.registration.desk import add_card_payment, card_order, fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
Kind = OpenItem.Kind


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 by card."""
    return card_order(sandbox)


@pytest.fixture
def grace(db: None) -> Any:
    """May write off."""
    user = make_user("grace")
    user.user_permissions.add(Permission.objects.get(codename="refund_without_limit"))
    return type(user).objects.get(pk=user.pk)


def to_credit(order: Order, amount: str = "100.00") -> Credit:
    return RefundService.create_refund(order, amount=Decimal(amount), destination=Refund.Destination.CREDIT)


def spend(credit: Credit, amount: str) -> None:
    target = make_order(credit.conference, amount)
    RefundService.apply_credit_as_refund(credit, target)


def refund_past_the_desk(sandbox: "SandboxServer", order: Order, amount_minor: int) -> str:
    """Refund the first payment at Stripe, and let its event arrive."""
    intent = order.payments.order_by("pk")[0].stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount={amount_minor}")
    process(store(order.conference, "refund.created", {"id": made["id"]}, event_id=f"evt_{made['id']}"))
    return str(made["id"])


def the_item() -> OpenItem:
    return OpenItem.objects.unresolved().get(kind=Kind.EXTERNAL)


def balances(order: Order) -> tuple[str, str, str]:
    order = Order.objects.get(pk=order.pk)
    return order.status, str(order.refunded_amount), str(order.refundable_amount)


@pytest.mark.trap(14, 23)
def test_it_is_shown_until_the_credit_is_taken_back(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    credit = to_credit(order)

    refund_id = refund_past_the_desk(sandbox, order, 10_000)

    item = the_item()
    assert (item.subject, item.order, item.refund) == (refund_id, order, None)
    assert explanation(item).startswith("$100.00 was refunded at Stripe for money that had already gone back")
    assert "Take back the credit" in advice(item)
    assert StripeEvent.objects.get().state == StripeEvent.State.STORED

    settled = take_credit_back(item, staff_user=grace)

    made = Refund.objects.get(source=Refund.Source.EXTERNAL)
    assert str(settled.resolution) == f"$100.00 taken back from {credit.number}; it is in the books as {made.number}."
    assert (settled.resolved_by, settled.refund) == (grace, made)
    credit.refresh_from_db()
    assert (credit.status, credit.remaining_amount) == (Credit.Status.VOIDED, Decimal("0.00"))
    assert balances(order) == ("REFUNDED", "100.00", "0.00")
    assert RefundPart.objects.get(channel=RefundPart.Channel.STORE_CREDIT).state == State.FAILED
    assert "grace took $100.00 back" in " ".join(sentence(entry) for entry in order.history.all())
    assert process_due() == {StripeEvent.State.PROCESSED: 1}
    assert not OpenItem.objects.unresolved().exists()
    assert_books_agree()


@pytest.mark.trap(14)
def test_what_did_not_go_to_the_card_stays_credit(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    credit = to_credit(order)
    refund_past_the_desk(sandbox, order, 4_000)

    take_credit_back(the_item(), staff_user=grace)

    credit.refresh_from_db()
    assert (credit.status, credit.remaining_amount) == (Credit.Status.AVAILABLE, Decimal("60.00"))
    assert balances(order) == ("REFUNDED", "100.00", "0.00")
    kept = Refund.objects.get(destination=Refund.Destination.CREDIT, state=State.SUCCEEDED)
    assert (kept.amount, kept.parts.get().credit, kept.retry_of is not None) == (Decimal("60.00"), credit, True)
    assert not OpenItem.objects.unresolved().exists()
    assert_books_agree()


@pytest.mark.parametrize(
    ("at_stripe", "spent", "left", "lost"), [(10_000, "30.00", "0.00", "30.00"), (4_000, "30.00", "30.00", "")]
)
@pytest.mark.trap(14, 25)
def test_what_was_spent_is_an_item_of_its_own(
    sandbox: "SandboxServer", order: Order, grace: Any, at_stripe: int, spent: str, left: str, lost: str
) -> None:
    credit = to_credit(order)
    spend(credit, spent)
    refund_past_the_desk(sandbox, order, at_stripe)

    take_credit_back(the_item(), staff_user=grace)

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal(left)
    assert balances(order) == ("REFUNDED", "100.00", "0.00")
    open_now = [(item.kind, item.facts["amount"]) for item in OpenItem.objects.unresolved()]
    assert open_now == ([(Kind.CREDIT_SPENT, lost)] if lost else [])
    if lost:
        assert explanation(OpenItem.objects.unresolved().get()) == (
            "$30.00 of credit had been spent before it went back to the card as well."
        )
    assert_books_agree()


@pytest.mark.trap(14)
def test_what_had_expired_was_not_spent(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    credit = to_credit(order)
    spend(credit, "30.00")
    Credit.objects.update(expires_at=timezone.now() - timedelta(days=1))
    CreditService.expire_due()
    refund_past_the_desk(sandbox, order, 10_000)

    take_credit_back(the_item(), staff_user=grace)

    open_now = [(item.kind, item.facts["amount"]) for item in OpenItem.objects.unresolved()]
    assert open_now == [(Kind.CREDIT_SPENT, "30.00")]
    entry = credit.entries.get(kind=CreditEntry.Kind.ADJUSTED)
    assert (entry.amount, str(entry.reason)[:32]) == (Decimal("100.00"), "It had been spent or had ended. ")
    assert balances(order) == ("REFUNDED", "100.00", "0.00")
    assert_books_agree()


@pytest.mark.trap(14)
@pytest.mark.parametrize(("steps", "shown"), [((5_000, 5_000), ["30.00"]), ((2_000, 8_000), ["20.00", "10.00"])])
def test_what_was_spent_is_shown_once_in_however_many_steps_it_is_recalled(
    sandbox: "SandboxServer", order: Order, grace: Any, steps: tuple[int, ...], shown: list[str]
) -> None:
    credit = to_credit(order)
    spend(credit, "30.00")
    Credit.objects.update(expires_at=timezone.now() - timedelta(days=1))
    CreditService.expire_due()

    for amount_minor in steps:
        refund_past_the_desk(sandbox, order, amount_minor)
        take_credit_back(the_item(), staff_user=grace)

    items = OpenItem.objects.filter(kind=Kind.CREDIT_SPENT).order_by("pk")
    assert [item.facts["amount"] for item in items] == shown
    assert balances(order) == ("REFUNDED", "100.00", "0.00")
    assert_books_agree()


@pytest.mark.parametrize(("spent", "remaining", "status"), [("", "60.00", "AVAILABLE"), ("80.00", "0.00", "APPLIED")])
@pytest.mark.trap(14, 43)
def test_a_hand_made_note_gives_way_as_well(
    sandbox: "SandboxServer", order: Order, grace: Any, spent: str, remaining: str, status: str
) -> None:
    credit = Credit.objects.create(
        user=order.user, conference=order.conference, source_order=order, amount=Decimal("100.00")
    )
    if spent:
        spend(credit, spent)
    refund_past_the_desk(sandbox, order, 4_000)
    assert the_item().refund is None, "the database has no room for it"

    take_credit_back(the_item(), staff_user=grace)

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal(remaining)
    assert credit.status == ("VOIDED" if spent else status)
    assert balances(order) == ("REFUNDED", "100.00", "0.00")
    assert bool(spent) == OpenItem.objects.unresolved().filter(kind=Kind.CREDIT_SPENT).exists()
    assert_books_agree()


@pytest.mark.parametrize(("note", "shares"), [("100.00", ["50.00"]), ("130.00", ["50.00", "30.00"])])
def test_a_hand_made_note_stands_for_the_payments_one_after_the_other(
    sandbox: "SandboxServer", order: Order, grace: Any, note: str, shares: list[str]
) -> None:
    Order.objects.filter(pk=order.pk).update(total=Decimal("140.00"))
    add_card_payment(sandbox, order, "40.00")
    Credit.objects.create(user=order.user, conference=order.conference, source_order=order, amount=Decimal(note))
    refund_past_the_desk(sandbox, order, 5_000)

    take_credit_back(the_item(), staff_user=grace)

    kept = RefundPart.objects.filter(channel=RefundPart.Channel.STORE_CREDIT, state=State.SUCCEEDED)
    assert [str(part.amount) for part in kept.order_by("payment")] == shares
    assert_books_agree()


def test_credit_of_another_payment_is_left_alone(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    """Two cards: what the second became stays credit when the first was refunded at Stripe twice over."""
    Order.objects.filter(pk=order.pk).update(total=Decimal("140.00"))
    add_card_payment(sandbox, order, "40.00")
    order = Order.objects.get(pk=order.pk)
    credit = to_credit(order, "140.00")
    refund_past_the_desk(sandbox, order, 10_000)

    take_credit_back(the_item(), staff_user=grace)

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal("40.00")
    assert balances(order) == ("REFUNDED", "140.00", "0.00")
    assert_books_agree()


def test_without_credit_there_is_nothing_to_take(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    with fault(sandbox, "rate_limit", count=99, method="POST"), pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("100.00"), destination=Refund.Destination.CARD)
    sandbox.faults.clear()
    refund_past_the_desk(sandbox, order, 10_000)

    with pytest.raises(RefundError, match=r"No credit that this payment became can make up for \$100.00"):
        take_credit_back(the_item(), staff_user=grace)

    assert balances(order) == ("PAID", "0.00", "0.00")
    assert_books_agree()


def test_a_silent_stripe_changes_nothing(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    credit = to_credit(order)
    refund_past_the_desk(sandbox, order, 10_000)

    with fault(sandbox, "reset", count=9), pytest.raises(RefundError, match="did not answer. Nothing was changed"):
        take_credit_back(the_item(), staff_user=grace)

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal("100.00")


def test_one_that_failed_at_stripe_meanwhile_needs_no_credit(
    sandbox: "SandboxServer", order: Order, grace: Any
) -> None:
    credit = to_credit(order)
    refund_id = refund_past_the_desk(sandbox, order, 10_000)
    control(sandbox, f"refunds/{refund_id}/fail")

    settled = take_credit_back(the_item(), staff_user=grace)

    credit.refresh_from_db()
    assert str(settled.resolution) == "It came back at Stripe, so nothing went out twice."
    assert (credit.remaining_amount, Refund.objects.count()) == (Decimal("100.00"), 1)


@pytest.mark.trap(7)
def test_pressed_twice_it_takes_once(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    credit = to_credit(order)
    refund_past_the_desk(sandbox, order, 4_000)
    item = the_item()
    stale = OpenItem.objects.get(pk=item.pk)
    take_credit_back(item, staff_user=grace)

    with pytest.raises(RefundError):
        take_credit_back(stale, staff_user=grace)

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal("60.00")
    assert_books_agree()


def test_only_finance_writes_it_off_and_the_history_says_so(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    to_credit(order)
    refund_past_the_desk(sandbox, order, 10_000)
    with pytest.raises(RefundError, match="Finance can write it off"):
        acknowledge(the_item(), note="Not worth it", staff_user=make_user("sam"))

    item = acknowledge(the_item(), note="The attendee keeps both", staff_user=grace)

    assert item.resolved_by == grace
    last = order.history.last()
    assert last is not None
    assert sentence(last) == "grace wrote off $100.00 that went back twice: The attendee keeps both"
    assert_books_agree()


def test_an_ordinary_external_refund_has_no_credit_to_take(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    refund_past_the_desk(sandbox, order, 4_000)

    with pytest.raises(RefundError, match="Only what went back twice"):
        take_credit_back(the_item(), staff_user=grace)


def test_it_is_taken_in_by_itself_once_there_is_room(sandbox: "SandboxServer", order: Order, grace: Any) -> None:
    credit = Credit.objects.create(
        user=order.user, conference=order.conference, source_order=order, amount=Decimal("100.00")
    )
    refund_id = refund_past_the_desk(sandbox, order, 10_000)
    snapshot = gateway_for(order.conference).fetch_refund(refund_id)
    with pytest.raises(IntegrityError):
        apply_refund(order.conference, snapshot)

    CreditService.void(credit, reason="Never handed out", staff_user=grace)
    settled = take_credit_back(the_item(), staff_user=grace)

    assert str(settled.resolution).startswith("There was room by now")
    assert balances(order) == ("REFUNDED", "100.00", "0.00")


@pytest.mark.trap(14)
def test_nothing_more_goes_out_before_it_is_settled(sandbox: "SandboxServer", order: Order) -> None:
    to_credit(order, "60.00")
    refund_past_the_desk(sandbox, order, 8_000)
    assert the_item().refund is None
    before = balances(order)

    with pytest.raises(RefundError, match="Settle that item first"):
        to_credit(order, "40.00")
    assert balances(order) == before


@pytest.mark.trap(20)
def test_it_is_taken_in_when_the_refund_that_reserved_its_money_ends(sandbox: "SandboxServer", order: Order) -> None:
    with pytest.raises(RefundHeld):
        RefundService.create_refund(order, amount=Decimal(100), destination="CREDIT", hold_seconds=60)
    refund_id = refund_past_the_desk(sandbox, order, 10_000)
    assert the_item().refund is None

    undo_refund(Refund.objects.get(hold_until__isnull=False), staff_user=order.user)
    process_due()

    assert RefundPart.objects.get(stripe_refund_id=refund_id).refund == the_item().refund
    assert balances(order) == ("REFUNDED", "100.00", "0.00")


@pytest.mark.trap(20)
@pytest.mark.parametrize("ended_before", [0, 1])
def test_it_is_taken_in_though_no_event_ever_told_of_it(
    sandbox: "SandboxServer", order: Order, ended_before: int
) -> None:
    """As when a comparison with Stripe finds it, and repairs it before the refund of ours that holds its money."""
    hold(order, "60.00")
    hold(order, "40.00")
    intent = order.payments.get().stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount=5000")
    with pytest.raises(IntegrityError):
        apply_refund(order.conference, gateway_for(order.conference).fetch_refund(made["id"]))

    held = Refund.objects.filter(hold_until__isnull=False).order_by("amount")
    for refund in held[:ended_before] or held[1:]:
        undo_refund(refund, staff_user=order.user)
        process_due()
    if ended_before:  # It had no room for what is at Stripe: that is looked at again.
        assert the_item().refund is None
        StripeEvent.objects.update(state=StripeEvent.State.FAILED)
        undo_refund(held.get(), staff_user=order.user)
        process_due()

    assert RefundPart.objects.get(stripe_refund_id=made["id"]).refund == the_item().refund
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {StripeEvent.State.PROCESSED}


def hold(order: Order, amount: str) -> None:
    with pytest.raises(RefundHeld):
        RefundService.create_refund(order, amount=Decimal(amount), destination="CREDIT", hold_seconds=60)
