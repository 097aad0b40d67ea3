from typing import TYPE_CHECKING

import pytest

from registration.attention import explanation
from registration.models import Conference, OpenItem
from registration.services import events
from tests.registration.books import (
    assert_books_agree,
    control,
    make_card_order,
    make_conference,
    make_refund,
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
