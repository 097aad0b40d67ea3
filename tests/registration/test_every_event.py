"""Each kind of event that we ask Stripe for leads to what it is about."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from registration.models import Order, Payment, RefundPart
from registration.models.refund import State
from registration.services import events
from registration.services.event_queue import LOOK_AGAIN, queue_again
from registration.services.refund import RefundService
from tests.registration.books import control, make_card_order, make_conference, make_order, seed, store

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
OF_REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
OF_CHARGES = ("charge.refunded", "charge.updated")
OF_DISPUTES = tuple(
    f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
OF_INTENTS = ("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled")


def failed_at_stripe(sandbox: "SandboxServer") -> RefundPart:
    """A refund from the desk that came back from the bank, which we do not know yet."""
    seed(sandbox)
    order = make_card_order(make_conference())
    RefundService.create_refund(order, amount=Decimal(40), destination="CARD")
    part = RefundPart.objects.get()
    control(sandbox, f"refunds/{part.stripe_refund_id}/fail", reason="declined")
    return part


@pytest.mark.parametrize("kind", OF_REFUNDS)
def test_of_a_refund(sandbox: "SandboxServer", kind: str) -> None:
    part = failed_at_stripe(sandbox)

    store(part.refund.order.conference, kind, {"id": part.stripe_refund_id})

    assert events.process_due() == {"PROCESSED": 1}
    part.refresh_from_db()
    assert (part.state, part.failure_reason) == (State.FAILED, "declined")


@pytest.mark.parametrize("kind", OF_CHARGES)
def test_of_a_charge(sandbox: "SandboxServer", kind: str) -> None:
    part = failed_at_stripe(sandbox)

    store(part.refund.order.conference, kind, {"id": "ch_sim_1", "amount_refunded": 1})

    assert events.process_due() == {"PROCESSED": 1}
    part.refresh_from_db()
    assert part.state == State.FAILED


@pytest.mark.parametrize("kind", OF_CHARGES)
def test_a_charge_without_refunds_is_not_asked_about(kind: str) -> None:
    store(make_conference(), kind, {"id": "ch_nobody_knows", "amount_refunded": 0})

    assert events.process_due() == {"PROCESSED": 1}


@pytest.mark.parametrize("kind", OF_DISPUTES)
def test_of_a_dispute(sandbox: "SandboxServer", kind: str) -> None:
    seed(sandbox)
    order = make_card_order(make_conference())
    dispute = control(sandbox, "charges/ch_sim_1/dispute")

    store(order.conference, kind, {"id": dispute["id"], "created": 1_700_000_000})

    assert events.process_due() == {"PROCESSED": 1}
    known = order.payments.get().dispute or {}
    assert (known["id"], known["status"], known["created"]) == (dispute["id"], "needs_response", 1_700_000_000)


@pytest.mark.parametrize("kind", OF_INTENTS)
def test_of_a_payment_intent(sandbox: "SandboxServer", kind: str) -> None:
    seed(sandbox)
    order = make_order(make_conference())
    Payment.objects.create(order=order, amount=order.total, stripe_payment_intent_id="pi_sim_1")

    store(order.conference, kind, {"id": "pi_sim_1"})

    assert events.process_due() == {"PROCESSED": 1}
    order.refresh_from_db()
    assert order.status == Order.Status.PAID


def test_only_what_is_about_these_objects_is_queued_again() -> None:
    conference = make_conference()
    mine, other, done = (store(conference, "refund.created", {"id": f"re_{n}"}, f"evt_{n}") for n in (1, 2, 3))
    for event, state in ((mine, "FAILED"), (other, "FAILED"), (done, "PROCESSED")):
        event.state, event.attempts, event.last_error = state, 8, "A defect."
        event.save()

    assert queue_again(conference, ["re_1", "re_3", ""]) == 1

    for event in (mine, other, done):
        event.refresh_from_db()
    assert (mine.state, mine.attempts, mine.last_error) == ("STORED", 0, "")
    assert (other.state, done.state) == ("FAILED", "PROCESSED")


def test_these_are_all_that_lead_to_anything() -> None:
    assert set(events.HANDLERS) == {LOOK_AGAIN, *OF_REFUNDS, *OF_CHARGES, *OF_DISPUTES, *OF_INTENTS}
