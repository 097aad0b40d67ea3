"""A desk on which everything happened once, so that no page is empty and no state goes unseen."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration.models import ComparisonRun, Conference, Credit, Difference, OpenItem, Order, Refund
from registration.services.errors import RefundUnconfirmed
from registration.services.notes import add_note
from registration.services.refund import RefundService
from tests.cast import make_credit, make_order, pay
from tests.dashboard.test_permissions import Things, make_things
from tests.registration.desk import fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

ITEMS = {"Student ticket with a name that is longer than its column": "70.00", "Conference dinner": "50.00"}


def furnish(conference: Conference, attendee: Any, staff: Any, sandbox: "SandboxServer") -> Things:
    """Make one of each thing, then everything around it that a page could have to show."""
    things = make_things(conference, attendee)
    busy = make_order(conference, attendee, paid="120.00", items=ITEMS, sandbox=sandbox)
    refund_to(busy, "30.00", Refund.Destination.CARD, staff)
    refund_to(busy, "20.00", Refund.Destination.CREDIT, staff)
    leave_unanswered(make_order(conference, attendee, paid="90.00", sandbox=sandbox), staff, sandbox)
    make_order(conference, attendee, total="50.00", hold_expires_at=timezone.now() + timedelta(minutes=82))
    pay(make_order(conference, attendee, paid="10.00", total="60.00"), "50.00", method="MANUAL")
    make_order(conference, attendee, total="40.00", status=Order.Status.CANCELLED)
    wait_for_everything(conference, make_order(conference, attendee, paid="33.00"))
    dispute(make_order(conference, attendee, paid="75.00"))
    soon, later = timezone.now() + timedelta(days=3), timezone.now() + timedelta(days=200)
    make_credit(conference, attendee, "15.00", expires_at=soon, kind=Credit.Kind.GOODWILL, note="Talk moved")
    make_credit(conference, attendee, "25.00", expires_at=later)
    differ(things)
    add_note(things.order, text="Called twice, very kind.", staff_user=staff)
    return things


def refund_to(order: Order, amount: str, destination: str, staff: Any) -> None:
    RefundService.create_refund(
        order, amount=Decimal(amount), destination=destination, staff_user=staff, note="Could not come"
    )


def leave_unanswered(order: Order, staff: Any, sandbox: "SandboxServer") -> None:
    """A refund whose outcome nobody knows yet."""
    with fault(sandbox, "close", count=9, method="POST"), pytest.raises(RefundUnconfirmed):
        refund_to(order, "90.00", Refund.Destination.CARD, staff)


def differ(things: Things) -> None:
    """A refund that Stripe says failed, and a comparison that stands still."""
    conference, sides = things.order.conference, {"amount": "10.00", "currency": things.order.currency, "id": "re_1"}
    things.difference.state, things.difference.kind = Difference.State.OPEN, Difference.Kind.REFUND_STATE
    things.difference.ours, things.difference.theirs = sides | {"state": "succeeded"}, sides | {"state": "failed"}
    things.difference.order = things.order
    things.difference.save()
    ComparisonRun.objects.update(finished_at=timezone.now())
    ComparisonRun.objects.create(conference=conference, until=timezone.now(), problem="Stripe is busy.")


def dispute(order: Order) -> None:
    """A payment that the attendee contests."""
    due = int((timezone.now() + timedelta(days=9)).timestamp())
    told = {"id": "du_1", "status": "needs_response", "reason": "fraudulent", "due_by": due}
    order.payments.update(dispute=told | {"is_charge_refundable": False})


def wait_for_everything(conference: Conference, order: Order) -> None:
    """One open item of each kind that has none yet."""
    facts = {"amount": "50.00", "currency": conference.currency, "refunded": "10.00", "reason": "fraudulent"}
    known = set(OpenItem.objects.values_list("kind", flat=True))
    for number, kind in enumerate(sorted(set(OpenItem.Kind.values) - known)):
        OpenItem.objects.create(conference=conference, order=order, kind=kind, subject=f"re_{number}x", facts=facts)
