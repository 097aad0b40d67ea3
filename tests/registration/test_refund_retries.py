"""A retry is a new refund, linked to a failed one of the same order."""

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration.attention import explanation
from registration.models import OpenItem, Order, Refund, RefundPart
from registration.roles import ensure_roles
from registration.said import say
from registration.services.cancel import cancel_waiting
from registration.services.errors import RefundError, RefundOutcome
from registration.services.manual import pay_by_hand_instead
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from registration.services.undo import release_refund
from tests.registration.books import assert_books_agree, control, make_conference, make_user, stripe_post
from tests.registration.desk import add_card_payment, card_order, refunds_at_stripe

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
CARD = Refund.Destination.CARD


@pytest.mark.trap(5)
def test_only_a_failed_refund_of_the_same_order_is_tried_again(sandbox: "SandboxServer") -> None:
    order, other = card_order(sandbox), card_order(sandbox)
    RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD)
    part = RefundPart.objects.get()
    with pytest.raises(RefundError, match="did not fail"):
        RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD, retry_of=part.refund)
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(part.refund)

    with pytest.raises(RefundError, match="another order"):
        RefundService.create_refund(other, amount=Decimal("25.00"), destination=CARD, retry_of=part.refund)

    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.FAILED
    assert refunds_at_stripe(sandbox, other) == []
    RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD, retry_of=part.refund)
    assert not OpenItem.objects.unresolved().exists()


@pytest.mark.trap(7)
def test_an_empty_nonce_is_no_nonce(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)

    for _time in range(2):
        RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD, nonce="")

    assert len(refunds_at_stripe(sandbox, order)) == 2


def failed_refund(sandbox: "SandboxServer", order: Order, amount: str = "25.00", **options: Any) -> Refund:
    """To the card, accepted by Stripe and failed later."""
    options = {"destination": CARD} | options
    RefundService.create_refund(order, amount=Decimal(amount), **options)
    return fail(sandbox, order.refunds.latest("pk"))


def fail(sandbox: "SandboxServer", refund: Refund) -> Refund:
    for part in refund.parts.exclude(stripe_refund_id=None):
        control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    return resolve_refund(refund)


def again(failed: Refund, amount: str = "25.00", **options: Any) -> Refund:
    options = {"destination": CARD} | options
    with suppress(RefundOutcome):
        RefundService.create_refund(failed.order, amount=Decimal(amount), retry_of=failed, **options)
    return failed.retries.latest("pk")


def open_failures() -> list[str]:
    return list(OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.FAILED).values_list("subject", flat=True))


def assert_refused(failed: Refund, sentence: str, amount: str = "25.00") -> None:
    before = failed.order.refunds.count(), Order.objects.get(pk=failed.order_id).reserved_amount
    with pytest.raises(RefundError, match=sentence):
        RefundService.create_refund(failed.order, amount=Decimal(amount), destination=CARD, retry_of=failed)
    assert (failed.order.refunds.count(), Order.objects.get(pk=failed.order_id).reserved_amount) == before


@pytest.mark.trap(7)
def test_one_failure_is_tried_again_once(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    failed = failed_refund(sandbox, order)
    retry = again(failed)

    assert_refused(failed, rf"{failed} was tried again as {retry} already, and that went out\.")

    assert len([r for r in refunds_at_stripe(sandbox, order) if r["status"] == "succeeded"]) == 1
    RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD)  # A decision of its own.


@pytest.mark.trap(7)
@pytest.mark.parametrize("waits", [{"hold_seconds": 60}, {"propose": True}])
def test_a_retry_that_waits_is_the_only_one(sandbox: "SandboxServer", waits: dict[str, Any]) -> None:
    order = card_order(sandbox, conference=make_conference(support_refund_limit=Decimal("20.00")))
    failed = failed_refund(sandbox, order)
    sam = make_user("sam")
    sam.groups.add(ensure_roles()["Support" if "propose" in waits else "Finance"])

    retry = again(failed, staff_user=sam, **waits)

    assert open_failures() == [f"part:{failed.parts.get().pk}"], "nothing was sent yet"
    assert_refused(failed, f"It is being tried again as {retry} already")


@pytest.mark.trap(5)
def test_a_retry_that_failed_is_tried_again_by_either_name(sandbox: "SandboxServer") -> None:
    failed = failed_refund(sandbox, card_order(sandbox))
    retry = fail(sandbox, again(failed))
    assert open_failures() == [f"part:{retry.parts.get().pk}"]

    second = again(failed)

    assert (second.state, open_failures()) == (Refund.State.SUCCEEDED, [])
    assert_refused(retry, f"{retry} was tried again as {second} already")
    assert_refused(failed, f"{failed} was tried again as {second} already")


@pytest.mark.trap(21)
def test_what_a_smaller_retry_left_is_tried_again_too(sandbox: "SandboxServer") -> None:
    failed = failed_refund(sandbox, card_order(sandbox), "50.00")
    retry = again(failed, "30.00")

    assert_refused(failed, rf"tried again as {retry} already; at most \$20\.00 of it is left to try\.", "20.01")

    assert again(failed, "20.00").state == Refund.State.SUCCEEDED


def test_what_failed_of_a_larger_retry_can_be_tried_again(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "60.00")
    Order.objects.filter(pk=order.pk).update(total=Decimal("100.00"), subtotal=Decimal("100.00"))
    failed = failed_refund(sandbox, order, "50.00")
    add_card_payment(sandbox, order, "40.00")
    retry = again(failed, "80.00")
    small = retry.parts.get(amount="20.00")
    control(sandbox, f"refunds/{small.stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(retry)

    assert again(retry, "20.00").state == Refund.State.SUCCEEDED
    assert open_failures() == []


@pytest.mark.trap(11)
def test_one_retry_of_two_leaves_the_failure_of_the_other_open(sandbox: "SandboxServer") -> None:
    failed = failed_refund(sandbox, card_order(sandbox), "50.00")
    first = fail(sandbox, again(failed, "30.00"))

    again(failed, "20.00")

    assert open_failures() == [f"part:{first.parts.get().pk}"]
    assert_refused(first, r"at most \$30\.00 of it is left to try", "30.01")


@pytest.mark.trap(13)
@pytest.mark.parametrize("by_whom", ["us", "Stripe"])
def test_a_retry_that_was_cancelled_opens_the_failure_again(sandbox: "SandboxServer", by_whom: str) -> None:
    order = card_order(sandbox, card="pm_card_pendingRefund")
    failed = failed_refund(sandbox, order)
    part = again(failed).parts.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/require_action")
    resolve_refund(part.refund)
    assert open_failures() == []

    if by_whom == "us":
        cancel_waiting(RefundPart.objects.get(pk=part.pk), staff_user=make_user("grace"))
    else:
        stripe_post(sandbox, f"refunds/{part.stripe_refund_id}/cancel")
        resolve_refund(part.refund)

    part.refresh_from_db()
    item = OpenItem.objects.unresolved().get()
    assert (part.state, item.kind, item.subject) == (Refund.State.CANCELED, OpenItem.Kind.FAILED, f"part:{part.pk}")
    assert explanation(item) == "A refund of $25.00 failed: it was cancelled. The attendee does not have the money."
    assert_books_agree()
    pay_by_hand_instead(part, reference="SEPA-1", staff_user=make_user("grace"))
    assert not OpenItem.objects.unresolved().exists()
    assert_refused(failed, "and that went out")


def test_a_refund_that_tries_nothing_again_is_cancelled_without_an_item(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, card="pm_card_pendingRefund")
    RefundService.create_refund(order, amount=Decimal("25.00"), destination=CARD)
    part = RefundPart.objects.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/require_action")
    resolve_refund(part.refund)

    stripe_post(sandbox, f"refunds/{part.stripe_refund_id}/cancel")

    assert resolve_refund(part.refund).state == Refund.State.CANCELED
    assert not OpenItem.objects.unresolved().exists()


def pay_by_hand(refund: Refund) -> None:
    pay_by_hand_instead(refund.parts.get(), reference="SEPA-1", staff_user=make_user(f"grace-{refund.pk}"))


def out_of(order: Order) -> Decimal:
    parts = RefundPart.objects.filter(refund__order=order, state=Refund.State.SUCCEEDED)
    return sum(parts.values_list("amount", flat=True), Decimal(0))


@pytest.mark.trap(1)
def test_nobody_pays_by_hand_what_another_retry_is_about_to_send(sandbox: "SandboxServer") -> None:
    failed = failed_refund(sandbox, card_order(sandbox))
    first = fail(sandbox, again(failed))
    second = again(failed, hold_seconds=60)

    with pytest.raises(RefundError, match=f"tried again as {second.number}"):
        pay_by_hand(first)

    release_refund(second)
    assert out_of(failed.order) == Decimal("25.00")
    assert_books_agree()


@pytest.mark.trap(1)
def test_paid_by_hand_is_what_another_retry_left(sandbox: "SandboxServer") -> None:
    failed = failed_refund(sandbox, card_order(sandbox))
    first = fail(sandbox, again(failed))
    again(failed, "15.00")

    pay_by_hand(first)

    assert (out_of(failed.order), open_failures()) == (Decimal("25.00"), [])
    assert_refused(failed, "and that went out", "0.01")
    assert_books_agree()


@pytest.mark.trap(1)
def test_paid_by_hand_is_paid_for_all_that_tried_the_same_money(
    sandbox: "SandboxServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failed_refund(sandbox, card_order(sandbox))
    held = again(failed, hold_seconds=60)
    monkeypatch.setattr("registration.services.undo.why_not_any_more", lambda *_asked: say("refunded_meanwhile"))
    release_refund(held)
    assert len(open_failures()) == 2

    pay_by_hand(failed)

    assert open_failures() == []
    with pytest.raises(RefundError, match="settled already"):
        pay_by_hand(held)
    assert out_of(failed.order) == Decimal("25.00")
    assert_books_agree()
