"""However a failure is made good, its money reaches the attendee once."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration.models import Conference, OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.services.approval import approve_refund, reject_refund, withdraw_refund
from registration.services.errors import RefundError, RefundOutcome
from registration.services.events import process
from registration.services.external import apply_refund
from registration.services.manual import pay_by_hand_instead
from registration.services.refund import RefundService
from registration.services.resolve import resolve_open, resolve_refund
from registration.services.retries import left_to_try
from registration.services.settle import move_part
from registration.services.twice import take_credit_back
from registration.services.undo import end_late_retry, release_refund, undo_refund
from registration.stripe_gateway import gateway_for
from tests.registration.books import assert_books_agree, control, make_conference, store, stripe_post
from tests.registration.desk import add_card_payment, card_order, refunds_at_stripe
from tests.registration.proposals import colleague

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
Destination = Refund.Destination


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """60.00 and 40.00, by two cards."""
    made = card_order(sandbox, "60.00", conference=make_conference(support_refund_limit=Decimal("10.00")))
    Order.objects.filter(pk=made.pk).update(total=Decimal("100.00"), subtotal=Decimal("100.00"))
    add_card_payment(sandbox, made, "40.00")
    return Order.objects.get(pk=made.pk)


@pytest.fixture
def sam(db: None) -> Any:
    """Support, up to what their conference allows at once."""
    return colleague("sam", "Support")


@pytest.fixture
def grace(db: None) -> Any:
    """Finance."""
    return colleague("grace", "Finance")


def refund(order: Order, amount: str, **options: Any) -> Refund:
    with suppress(RefundOutcome):
        RefundService.create_refund(order, amount=Decimal(amount), **({"destination": Destination.CARD} | options))
    return order.refunds.latest("pk")


def fail(sandbox: "SandboxServer", refund: Refund) -> Refund:
    for part in refund.parts.exclude(stripe_refund_id=None):
        control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    return resolve_refund(refund)


def refund_past_the_desk(sandbox: "SandboxServer", order: Order, amount_minor: int) -> str:
    """Refund the first payment at Stripe, and let its event arrive."""
    intent = order.payments.order_by("pk")[0].stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount={amount_minor}")
    process(store(order.conference, "refund.created", {"id": made["id"]}, event_id=f"evt_{made['id']}"))
    return str(made["id"])


def open_failures() -> list[tuple[str, str]]:
    items = OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.FAILED)
    return [(item.facts["amount"], item.subject) for item in items.order_by("pk")]


def part_of(refund: Refund, amount: str) -> str:
    return f"part:{refund.parts.get(amount=Decimal(amount)).pk}"


def take_back(staff_user: Any) -> None:
    item = OpenItem.objects.unresolved().get(kind=OpenItem.Kind.EXTERNAL)
    take_credit_back(item, staff_user=staff_user)


@pytest.mark.trap(1, 14)
def test_credit_that_gave_way_to_the_card_has_paid_the_failure(
    sandbox: "SandboxServer", order: Order, grace: Any
) -> None:
    failed = fail(sandbox, refund(order, "60.00"))
    retry = refund(order, "60.00", destination=Destination.CREDIT, retry_of=failed)
    refund_past_the_desk(sandbox, order, 6_000)
    take_back(grace)
    assert Order.objects.get(pk=order.pk).refundable_amount == Decimal("40.00"), "there is room to pay it again"

    for again in (failed, retry):
        with pytest.raises(RefundError, match="tried again as|did not fail"):
            RefundService.create_refund(order, amount=Decimal("40.00"), destination=Destination.CARD, retry_of=again)

    assert (left_to_try(failed), open_failures()) == (Decimal("0.00"), [])
    assert [r["status"] for r in refunds_at_stripe(sandbox, order)].count("succeeded") == 1
    assert_books_agree()


@pytest.mark.trap(1, 14)
def test_what_of_a_credit_gave_way_and_what_stayed_pay_the_failure_together(
    sandbox: "SandboxServer", order: Order, grace: Any
) -> None:
    failed = fail(sandbox, refund(order, "100.00"))
    refund(order, "60.00", destination=Destination.CREDIT, retry_of=failed)
    assert open_failures() == [("40.00", part_of(failed, "40.00"))]
    refund_past_the_desk(sandbox, order, 5_000)
    take_back(grace)

    assert left_to_try(failed) == Decimal("40.00")

    refund(order, "40.00", retry_of=failed)
    assert (left_to_try(failed), open_failures()) == (Decimal("0.00"), [])
    assert_books_agree()


@pytest.mark.trap(11, 21)
def test_a_retry_of_one_part_leaves_the_failure_of_the_other_open(sandbox: "SandboxServer", order: Order) -> None:
    failed = fail(sandbox, refund(order, "100.00"))

    refund(order, "60.00", retry_of=failed)

    assert open_failures() == [("40.00", part_of(failed, "40.00"))]
    assert left_to_try(failed) == Decimal("40.00")
    refund(order, "40.00", retry_of=failed)
    assert open_failures() == []


@pytest.mark.trap(11, 21)
def test_a_smaller_retry_leaves_the_rest_of_the_failure_open(
    sandbox: "SandboxServer", order: Order, grace: Any
) -> None:
    failed = fail(sandbox, refund(order, "60.00"))
    opened_at = OpenItem.objects.get().opened_at

    retry = refund(order, "45.00", retry_of=failed)

    rest = OpenItem.objects.unresolved().get()
    assert (rest.facts["amount"], rest.opened_at) == ("15.00", opened_at)
    settled = OpenItem.objects.exclude(resolved_at=None).get()
    assert (settled.facts["amount"], str(settled.resolution)) == ("45.00", f"Tried again as {retry.number}")
    paid = pay_by_hand_instead(failed.parts.get(), reference="SEPA-1", staff_user=grace)
    assert (paid.amount, open_failures()) == (Decimal("15.00"), [])
    assert_books_agree()


@pytest.mark.trap(11)
def test_what_a_retry_had_settled_in_part_is_whole_again_when_it_is_taken_back(
    sandbox: "SandboxServer", order: Order, grace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail(sandbox, refund(order, "60.00"))
    with monkeypatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        retry = refund(order, "45.00", retry_of=failed)
    assert open_failures() == [("15.00", part_of(failed, "60.00"))]

    undo_refund(retry, staff_user=grace)

    assert open_failures() == [("60.00", part_of(failed, "60.00"))]
    assert left_to_try(failed) == Decimal("60.00")


@pytest.mark.trap(21)
def test_a_retry_part_card_part_credit_covers_both(sandbox: "SandboxServer", order: Order) -> None:
    failed = fail(sandbox, refund(order, "60.00"))

    retry = refund(order, "50.00", destination=Destination.SPLIT, credit_amount=Decimal("20.00"), retry_of=failed)

    assert open_failures() == [("10.00", part_of(failed, "60.00"))]
    card = retry.parts.get(channel=RefundPart.Channel.STRIPE)
    fail(sandbox, retry)
    assert open_failures() == [("10.00", part_of(failed, "60.00")), ("30.00", f"part:{card.pk}")]
    assert left_to_try(failed) == Decimal("40.00")


@pytest.mark.trap(1, 50)
@pytest.mark.parametrize("ends", ["rejected", "withdrawn"])
def test_a_proposal_that_came_to_nothing_leaves_the_failure_whole(
    sandbox: "SandboxServer", order: Order, sam: Any, grace: Any, ends: str
) -> None:
    failed = fail(sandbox, refund(order, "60.00"))
    proposed = refund(order, "60.00", retry_of=failed, staff_user=sam, propose=True)
    assert left_to_try(failed) == Decimal("0.00")
    with pytest.raises(RefundError, match="being tried again"):
        pay_by_hand_instead(failed.parts.get(), reference="SEPA-1", staff_user=grace)

    if ends == "rejected":
        reject_refund(proposed, staff_user=grace, reason="Ask first")
    else:
        withdraw_refund(proposed, staff_user=sam)

    assert (left_to_try(failed), open_failures()) == (Decimal("60.00"), [("60.00", part_of(failed, "60.00"))])


@pytest.fixture
def never_received(order: Order) -> Refund:
    """60.00 that were given up as never received by Stripe."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        unsent = refund(order, "60.00")
    unsent.parts.update(sent_at=timezone.now())
    move_part(unsent.parts.get(), State.FAILED)
    return Refund.objects.get(pk=unsent.pk)


def turn_up(sandbox: "SandboxServer", failed: Refund) -> Refund:
    """The refund that was given up is at Stripe after all."""
    part = failed.parts.get()
    form = f"payment_intent={part.payment.stripe_payment_intent_id}&amount={int(part.amount * 100)}"
    made = stripe_post(sandbox, "refunds", f"{form}&metadata[part]={part.uuid}")
    conference = Conference.objects.get()
    found = apply_refund(conference, gateway_for(conference).fetch_refund(made["id"]))
    assert found is not None
    return found.refund


@pytest.mark.trap(3, 5)
def test_what_turns_up_after_it_was_given_up_has_paid_its_failure(
    sandbox: "SandboxServer", order: Order, never_received: Refund
) -> None:
    assert open_failures() == [("60.00", part_of(never_received, "60.00"))]

    arrived = turn_up(sandbox, never_received)

    assert (arrived.retry_of, open_failures()) == (never_received, [])
    settled = OpenItem.objects.get(kind=OpenItem.Kind.FAILED)
    assert str(settled.resolution) == f"It arrived after all, as {arrived.number}"
    with pytest.raises(RefundError, match=f"tried again as {arrived.number} already"):
        RefundService.create_refund(
            order, amount=Decimal("40.00"), destination=Destination.CARD, retry_of=never_received
        )
    fail(sandbox, arrived)
    assert open_failures() == [("60.00", part_of(arrived, "60.00"))]
    assert_books_agree()


@pytest.mark.trap(3, 50)
@pytest.mark.parametrize("waits", ["proposed", "held"])
def test_a_retry_that_waits_is_not_sent_when_the_first_turns_up(
    sandbox: "SandboxServer", order: Order, never_received: Refund, sam: Any, grace: Any, waits: str
) -> None:
    how = {"staff_user": sam, "propose": True} if waits == "proposed" else {"staff_user": grace, "hold_seconds": 60}
    retry = refund(order, "40.00", retry_of=never_received, payment=order.payments.get(amount="40.00"), **how)

    turn_up(sandbox, never_received)

    if waits == "proposed":
        with pytest.raises(RefundError, match="was refunded at Stripe meanwhile"):
            approve_refund(retry, staff_user=grace)
    else:
        assert release_refund(retry).state == State.FAILED
    assert len(refunds_at_stripe(sandbox, order)) == 1
    assert_books_agree()


@pytest.fixture
def unsent_retry(order: Order, never_received: Refund) -> Refund:
    """40.00 of it tried again, from the other card, by a process that ended before it could ask Stripe."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("registration.services.refund.send_part", lambda part: part)
        return refund(order, "40.00", retry_of=never_received, payment=order.payments.get(amount="40.00"))


@pytest.mark.trap(3, 4)
@pytest.mark.parametrize("turns_up", [True, False])
def test_a_retry_that_a_crash_kept_from_stripe_is_sent_unless_the_first_turned_up(
    sandbox: "SandboxServer", order: Order, never_received: Refund, unsent_retry: Refund, turns_up: bool
) -> None:
    if turns_up:
        turn_up(sandbox, never_received)

    resolve_open(at_once=True)

    unsent_retry.refresh_from_db()
    assert unsent_retry.state == (State.FAILED if turns_up else State.SUCCEEDED)
    assert str(unsent_retry.refusal) == ("The same money was refunded at Stripe meanwhile." if turns_up else "")
    assert len(refunds_at_stripe(sandbox, order)) == 1
    assert_books_agree()


@pytest.mark.trap(3, 4)
def test_a_retry_that_is_being_sent_is_left_to_who_sends_it(
    sandbox: "SandboxServer", never_received: Refund, unsent_retry: Refund
) -> None:
    turn_up(sandbox, never_received)
    unsent_retry.parts.update(sent_at=timezone.now())

    end_late_retry(unsent_retry.parts.get())

    assert unsent_retry.parts.get().state == State.REQUESTED


@pytest.mark.trap(11)
def test_one_that_failed_never_comes_back_to_life_whatever_its_retry(sandbox: "SandboxServer", order: Order) -> None:
    failed = fail(sandbox, refund(order, "60.00"))
    part = failed.parts.get()
    snapshot = gateway_for(order.conference).fetch_refund(str(part.stripe_refund_id))
    refund(order, "60.00", retry_of=failed)

    apply_refund(order.conference, replace(snapshot, status="succeeded"))

    part.refresh_from_db()
    assert part.state == State.FAILED
    assert left_to_try(failed) == Decimal("0.00")
