from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db.models import QuerySet

from registration.attention import explanation
from registration.models import Conference, OpenItem, Order, Refund, RefundPart, StripeEvent
from registration.services import events
from registration.services.manual import confirm_manual, pay_by_hand_instead
from registration.services.open_items import resolve_item
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from tests.registration.books import (
    assert_books_agree,
    control,
    make_card_order,
    make_conference,
    make_refund,
    make_user,
    refund_at_stripe,
    seed,
    store,
    store_all,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.mark.trap(31)
@pytest.mark.parametrize(
    ("status", "disputed"), [("needs_response", True), ("warning_needs_response", False), ("under_review", True)]
)
def test_a_dispute_is_kept_on_the_payment(
    status: str, disputed: bool, conference: Conference, sandbox: "SandboxServer"
) -> None:
    seed(sandbox)
    order = make_card_order(conference)
    dispute = control(sandbox, "charges/ch_sim_1/dispute", status=status)

    events.process(store(conference, "charge.dispute.created", dispute))

    payment = order.payments.get()
    assert payment.dispute is not None
    assert (payment.dispute["status"], payment.is_disputed) == (status, disputed)
    assert payment.dispute["created"] == dispute["created"]
    assert payment.dispute["due_by"] == dispute["evidence_details"]["due_by"]
    item = OpenItem.objects.unresolved().get()
    assert item.kind == OpenItem.Kind.DISPUTED
    assert "they say they did not make the payment" in explanation(item)
    assert "Evidence is due on" in explanation(item)
    assert [entry.kind for entry in order.history.all()] == ["dispute_opened"]
    events.process(store(conference, "charge.dispute.updated", dispute, "evt_2"))
    assert order.history.count() == 1, "the same is no news"
    assert_books_agree()


@pytest.mark.trap(31)
def test_a_won_dispute_opens_the_payment_again(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    order = make_card_order(conference)
    dispute = control(sandbox, "charges/ch_sim_1/dispute")
    control(sandbox, f"disputes/{dispute['id']}/close", status="won")

    for number, event in enumerate(store_all(conference, sandbox, backwards=True)):
        assert events.process(event) in ("PROCESSED", "IGNORED"), number

    assert not order.payments.get().is_disputed
    assert not OpenItem.objects.unresolved().exists()
    assert [entry.kind for entry in order.history.all()] == ["dispute_closed"]
    assert_books_agree()


@pytest.mark.trap(33)
def test_a_dispute_lost_without_a_refund_went_out_once(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    order = make_card_order(conference)
    dispute = control(sandbox, "charges/ch_sim_1/dispute")
    events.process(store(conference, "charge.dispute.created", dispute))
    control(sandbox, f"disputes/{dispute['id']}/close", status="lost")

    events.process(store(conference, "charge.dispute.closed", dispute, "evt_2"))

    assert not OpenItem.objects.unresolved().exists()
    assert order.payments.get().is_disputed, "nothing of it can be refunded any more"
    assert_books_agree()


@pytest.mark.trap(33)
def test_an_open_dispute_after_a_refund_is_only_a_dispute(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    make_refund(make_card_order(conference), "40.00", "succeeded", "re_before")
    dispute = control(sandbox, "charges/ch_sim_1/dispute")

    events.process(store(conference, "charge.dispute.created", dispute))

    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.DISPUTED


@pytest.mark.trap(33)
def test_a_dispute_lost_after_a_refund_is_an_item(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    order = make_card_order(conference)
    make_refund(order, "40.00", "succeeded", "re_before")
    dispute = control(sandbox, "charges/ch_sim_1/dispute")
    opened = store(conference, "charge.dispute.created", dispute)
    events.process(opened)
    control(sandbox, f"disputes/{dispute['id']}/close", status="lost")

    events.process(store(conference, "charge.dispute.closed", dispute, "evt_2"))
    events.replay(opened)

    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.order, item.facts["refunded"]) == ("CHARGED_BACK", order, "40.00")


@pytest.fixture
def by_hand(conference: Conference, sandbox: "SandboxServer") -> Order:
    """100.00 by a card that was matched later, so that two transfers wait, and a dispute that was lost meanwhile."""
    seed(sandbox)
    order = make_card_order(conference)
    order.payments.update(stripe_payment_intent_id="", stripe_charge_id="")
    for amount in ("20.00", "30.00"):
        RefundService.create_refund(order, amount=Decimal(amount), destination=Refund.Destination.CARD)
    order.payments.update(stripe_payment_intent_id="pi_sim_1", stripe_charge_id="ch_sim_1")
    lose(conference, sandbox)
    assert not charged_back().exists(), "nothing of it has left here"
    return order


def lose(conference: Conference, sandbox: "SandboxServer") -> None:
    dispute = control(sandbox, "charges/ch_sim_1/dispute")
    control(sandbox, f"disputes/{dispute['id']}/close", status="lost")
    events.process(store(conference, "charge.dispute.closed", dispute, "evt_lost"))


def charged_back() -> QuerySet[OpenItem]:
    return OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.CHARGED_BACK)


def transfer(order: Order, amount: str) -> None:
    part = RefundPart.objects.get(refund__order=order, amount=Decimal(amount))
    confirm_manual(part, reference="SEPA 1", staff_user=make_user(f"grace{amount}"))


@pytest.mark.trap(33)
def test_a_transfer_recorded_after_the_dispute_was_lost_is_an_item_too(by_hand: Order) -> None:
    transfer(by_hand, "20.00")
    first = charged_back().get()
    assert (first.order, first.facts["refunded"], first.facts["amount"]) == (by_hand, "20.00", "100.00")
    assert explanation(first).startswith("$100.00 went out twice: $20.00 refunded")

    transfer(by_hand, "30.00")

    assert charged_back().get().facts["refunded"] == "50.00"
    assert_books_agree()


@pytest.mark.trap(33)
def test_what_leaves_after_staff_settled_the_item_opens_it_again(by_hand: Order) -> None:
    transfer(by_hand, "20.00")
    resolve_item(charged_back().get(), staff_user=make_user("ada"), resolution="Agreed with the attendee")
    events.replay(StripeEvent.objects.get())
    assert not charged_back().exists(), "what staff have settled is no news"

    transfer(by_hand, "30.00")

    assert charged_back().get().facts["refunded"] == "50.00"
    assert_books_agree()


@pytest.mark.trap(33)
def test_a_failure_paid_by_hand_after_the_dispute_was_lost_is_an_item_too(
    conference: Conference, sandbox: "SandboxServer"
) -> None:
    seed(sandbox)
    order = make_card_order(conference)
    refund = RefundService.create_refund(order, amount=Decimal("40.00"), destination=Refund.Destination.CARD).refund
    assert refund is not None
    part = refund.parts.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", failure_reason="declined")
    resolve_refund(refund)
    lose(conference, sandbox)
    assert not charged_back().exists()

    pay_by_hand_instead(part, reference="SEPA 1", staff_user=make_user("grace"))

    assert charged_back().get().facts["refunded"] == "40.00"
    assert_books_agree()


@pytest.mark.trap(32)
def test_a_dispute_fails_a_pending_refund(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox, payment_method="pm_card_pendingRefund")
    order = make_card_order(conference)
    part = make_refund(order, "40.00", "requested")
    refund_at_stripe(sandbox, part=part.uuid)
    control(sandbox, "charges/ch_sim_1/dispute")
    store_all(conference, sandbox)

    events.process_due()

    part.refresh_from_db()
    assert (part.state, part.failure_reason) == ("failed", "charge_for_pending_refund_disputed")
    assert order.payments.get().is_disputed


def test_a_dispute_of_an_unknown_charge_is_an_item(conference: Conference, sandbox: "SandboxServer") -> None:
    seed(sandbox)
    dispute = control(sandbox, "charges/ch_sim_1/dispute")

    events.process(store(conference, "charge.dispute.created", dispute))

    assert OpenItem.objects.get().kind == OpenItem.Kind.UNMATCHED
