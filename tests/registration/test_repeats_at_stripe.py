"""A failed refund that somebody repeated in Stripe's own dashboard: a person says so, and both items are settled."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.sentences import sentence
from registration.services.errors import RefundError, RefundHeld
from registration.services.events import process, refund_changed
from registration.services.refund import RefundService
from registration.services.repeats import repeats_for, repeats_of, settle_as_repeat
from registration.services.resolve import resolve_refund
from registration.services.retries import left_to_try
from registration.services.undo import release_refund
from tests.registration.books import assert_books_agree, control, make_user, store, stripe_post
from tests.registration.desk import add_card_payment, at_once, card_order, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = OpenItem.Kind
CARD = Refund.Destination.CARD


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 paid by card."""
    return card_order(sandbox, "100.00")


@pytest.fixture
def failed(sandbox: "SandboxServer", order: Order) -> Refund:
    """40.00 that the bank sent back."""
    return failing(sandbox, order)


def failing(sandbox: "SandboxServer", order: Order, amount: str = "40.00") -> Refund:
    RefundService.create_refund(order, amount=Decimal(amount), destination=CARD)
    refund = order.refunds.latest("pk")
    control(sandbox, f"refunds/{refund.parts.get().stripe_refund_id}/fail", failure_reason="declined")
    return resolve_refund(refund)


def in_the_dashboard(sandbox: "SandboxServer", order: Order, amount_minor: int = 4_000, payment: Any = None) -> Refund:
    """Refund at Stripe past the desk, and hear of it."""
    intent = (payment or order.payments.earliest("pk")).stripe_payment_intent_id
    made = stripe_post(sandbox, "refunds", f"payment_intent={intent}&amount={amount_minor}")
    process(store(order.conference, "refund.created", {"id": made["id"]}, event_id=f"evt_{made['id']}"))
    return RefundPart.objects.select_related("refund").get(stripe_refund_id=made["id"]).refund


def item(kind: str) -> OpenItem:
    return OpenItem.objects.unresolved().get(kind=kind)


@pytest.mark.trap(11, 14, 15)
def test_both_are_settled_by_whoever_says_so(sandbox: "SandboxServer", order: Order, failed: Refund) -> None:
    repeat = in_the_dashboard(sandbox, order)
    grace, before = make_user("grace"), Order.objects.get().refundable_amount

    settled = settle_as_repeat(item(Kind.FAILED), repeat, staff_user=grace)

    assert (settled.kind, settled.resolved_by) == (Kind.FAILED, grace)
    assert not OpenItem.objects.unresolved().exists()
    said = {each.kind: (str(each.resolution), each.resolved_by) for each in OpenItem.objects.all()}
    assert said == {
        Kind.FAILED: (f"Repeated at Stripe as {repeat}", grace),
        Kind.EXTERNAL: (f"It is the repeat of {failed}", grace),
    }
    repeat.refresh_from_db()
    assert (repeat.retry_of, Order.objects.get().refundable_amount) == (failed, before)
    told = sentence(order.history.latest("position"))
    assert told == f"grace said that $40.00 refunded at Stripe, {repeat}, is the repeat of {failed}"
    assert_books_agree()


@pytest.mark.trap(15)
def test_nothing_is_matched_by_itself(sandbox: "SandboxServer", order: Order, failed: Refund) -> None:
    repeat = in_the_dashboard(sandbox, order)

    failure, external = item(Kind.FAILED), item(Kind.EXTERNAL)
    assert repeat.retry_of is None
    assert [pair.part.refund for pair in repeats_of(failure)] == [repeat]
    assert [pair.failure for pair in repeats_of(external)] == [failure]


def less(sandbox: "SandboxServer", order: Order) -> Refund:
    return in_the_dashboard(sandbox, order, 3_999)


def more(sandbox: "SandboxServer", order: Order) -> Refund:
    return in_the_dashboard(sandbox, order, 4_001)


def of_two_failures(sandbox: "SandboxServer", order: Order) -> Refund:
    failing(sandbox, order, "20.00")
    return in_the_dashboard(sandbox, order, 6_000)


def of_what_was_tried_again_in_part(sandbox: "SandboxServer", order: Order) -> Refund:
    failed, other = order.refunds.get(), add_card_payment(sandbox, order, "50.00")
    RefundService.create_refund(order, amount=Decimal("15.00"), destination=CARD, retry_of=failed, payment=other)
    return in_the_dashboard(sandbox, order)


def from_another_card(sandbox: "SandboxServer", order: Order) -> Refund:
    return in_the_dashboard(sandbox, order, 4_000, add_card_payment(sandbox, order, "50.00"))


def that_failed_too(sandbox: "SandboxServer", order: Order) -> Refund:
    repeat = in_the_dashboard(sandbox, order)
    control(sandbox, f"refunds/{repeat.parts.get().stripe_refund_id}/fail")
    return resolve_refund(repeat)


def made_before(sandbox: "SandboxServer", order: Order) -> Refund:
    repeat = in_the_dashboard(sandbox, order)
    moment = order.refunds.earliest("pk").created_at - timedelta(seconds=2)
    repeat.parts.update(sent_at=moment)
    return repeat


def made_at_the_desk(sandbox: "SandboxServer", order: Order) -> Refund:
    RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD)
    return order.refunds.latest("pk")


@pytest.mark.trap(15)
@pytest.mark.parametrize(
    "make",
    [
        less,
        more,
        of_two_failures,
        of_what_was_tried_again_in_part,
        from_another_card,
        that_failed_too,
        made_before,
        made_at_the_desk,
    ],
)
def test_what_does_not_fit_is_neither_offered_nor_taken(
    sandbox: "SandboxServer", order: Order, failed: Refund, make: Callable[["SandboxServer", Order], Refund]
) -> None:
    failure = item(Kind.FAILED)
    other = make(sandbox, order)
    waiting = set(OpenItem.objects.unresolved())

    assert not any(pair.part.refund == other for each in waiting for pair in repeats_of(each))
    with pytest.raises(RefundError, match="do not belong together any more"):
        settle_as_repeat(failure, other, staff_user=make_user("grace"))

    assert set(OpenItem.objects.unresolved()) == waiting
    other.refresh_from_db()
    assert other.retry_of is None


@pytest.mark.trap(1, 15)
def test_one_repeat_settles_one_failure(sandbox: "SandboxServer", order: Order, failed: Refund) -> None:
    failing(sandbox, order)
    repeat = in_the_dashboard(sandbox, order)
    first, second = OpenItem.objects.unresolved().filter(kind=Kind.FAILED).order_by("pk")
    assert len(repeats_of(item(Kind.EXTERNAL))) == 2
    grace = make_user("grace")

    losers = at_once(
        lambda: settle_as_repeat(first, repeat, staff_user=grace),
        lambda: settle_as_repeat(second, repeat, staff_user=grace),
    )

    assert len(losers) == 1
    assert OpenItem.objects.unresolved().get().kind == Kind.FAILED
    assert_books_agree()


@pytest.mark.trap(1, 8)
def test_a_repeat_is_not_named_while_the_same_money_is_paid_another_way(
    sandbox: "SandboxServer", order: Order, failed: Refund
) -> None:
    """One decides a retry of some of it by another card, and one names the repeat of all: never both."""
    other = add_card_payment(sandbox, order, "50.00")
    failure, repeat = item(Kind.FAILED), in_the_dashboard(sandbox, order)

    losers = at_once(
        lambda: settle_as_repeat(failure, repeat, staff_user=make_user("grace")),
        lambda: RefundService.create_refund(
            order, amount=Decimal("15.00"), destination=CARD, retry_of=failed, payment=other
        ),
    )

    assert len(losers) == 1
    gone, is_open = Order.objects.get().refunded_amount, OpenItem.objects.unresolved()
    if gone == Decimal("40.00"):
        assert not is_open.exists()
    else:
        assert gone == Decimal("55.00")
        assert {each.kind: each.facts["amount"] for each in is_open} == {Kind.FAILED: "25.00", Kind.EXTERNAL: "40.00"}
    assert_books_agree()


@pytest.mark.trap(1, 21)
def test_the_rest_of_what_was_tried_again_in_part_may_be_repeated(
    sandbox: "SandboxServer", order: Order, failed: Refund
) -> None:
    RefundService.create_refund(order, amount=Decimal("15.00"), destination=CARD, retry_of=failed)

    settle_as_repeat(item(Kind.FAILED), in_the_dashboard(sandbox, order, 2_500), staff_user=make_user("grace"))

    assert not OpenItem.objects.unresolved().exists()
    assert left_to_try(failed) == Decimal("0.00")
    assert_books_agree()


@pytest.mark.trap(1, 50)
def test_a_retry_that_waits_is_not_sent_once_the_repeat_is_known(
    sandbox: "SandboxServer", order: Order, failed: Refund
) -> None:
    with pytest.raises(RefundHeld) as held:
        RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD, retry_of=failed, hold_seconds=60)
    settle_as_repeat(item(Kind.FAILED), in_the_dashboard(sandbox, order), staff_user=make_user("grace"))

    released = release_refund(held.value.refund)

    assert (released.state, str(released.refusal)) == (
        State.FAILED,
        "The same money was refunded at Stripe meanwhile.",
    )
    assert sum(each["amount"] for each in refunds_at_stripe(sandbox, order) if each["status"] == "succeeded") == 4_000
    with pytest.raises(RefundError, match="tried again as"):
        RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD, retry_of=failed)
    assert_books_agree()


@pytest.mark.trap(11)
def test_a_repeat_that_fails_later_is_open_again(sandbox: "SandboxServer", order: Order, failed: Refund) -> None:
    repeat = in_the_dashboard(sandbox, order)
    settle_as_repeat(item(Kind.FAILED), repeat, staff_user=make_user("grace"))

    made = repeat.parts.get().stripe_refund_id
    control(sandbox, f"refunds/{made}/fail", failure_reason="declined")
    refund_changed(order.conference, {"id": made})

    again = item(Kind.FAILED)
    assert (again.refund, again.facts["amount"]) == (repeat, "40.00")
    RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD, retry_of=repeat)
    assert not OpenItem.objects.unresolved().exists()
    assert_books_agree()


def test_an_external_refund_that_was_acknowledged_is_still_the_repeat(
    sandbox: "SandboxServer", order: Order, failed: Refund
) -> None:
    repeat = in_the_dashboard(sandbox, order)
    external = item(Kind.EXTERNAL)
    OpenItem.objects.filter(pk=external.pk).update(resolved_at=external.opened_at, resolution="Finance did it")

    settle_as_repeat(item(Kind.FAILED), repeat, staff_user=make_user("grace"))

    external.refresh_from_db()
    assert str(external.resolution) == "Finance did it"
    assert not OpenItem.objects.unresolved().exists()


def test_many_items_ask_no_more_than_one(sandbox: "SandboxServer", order: Order, failed: Refund) -> None:
    in_the_dashboard(sandbox, order)

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            repeats_for(OpenItem.objects.unresolved())
        return len(asked)

    few = questions()
    failing(sandbox, card_order(sandbox, user="bob"))
    in_the_dashboard(sandbox, Order.objects.latest("pk"))

    assert questions() == few


@pytest.mark.trap(15, 21)
def test_among_many_items_each_is_offered_those_of_its_own_payment(
    sandbox: "SandboxServer", order: Order, failed: Refund
) -> None:
    in_the_dashboard(sandbox, order)
    other = card_order(sandbox, user="bob")
    failing(sandbox, other)
    in_the_dashboard(sandbox, other)

    offered = repeats_for(OpenItem.objects.unresolved())

    assert len(offered) == 4
    for each in OpenItem.objects.unresolved():
        (pair,) = offered[each.pk]
        assert {pair.failure.payment_id, pair.part.payment_id} == {each.payment_id}
