"""A conference where support may refund 50.00 at once, and proposals above that."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration.models import OpenItem, Order, Refund
from registration.models.refund import State
from registration.roles import ensure_roles
from registration.services.errors import RefundProposed
from registration.services.refund import RefundService
from tests.registration.books import assert_books_agree, make_user
from tests.registration.desk import card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

CARD = Refund.Destination.CARD


def colleague(name: str, role: str) -> Any:
    user = make_user(name)
    user.groups.add(ensure_roles()[role])
    return user


def limited_order(sandbox: "SandboxServer") -> Order:
    """100.00 paid by card, at a conference where support may refund 50.00 at once."""
    order = card_order(sandbox, "100.00")
    order.conference.support_refund_limit = Decimal("50.00")
    order.conference.save()
    return order


def propose(order: Order, sam: Any, amount: str = "80.00", **options: Any) -> Refund:
    with pytest.raises(RefundProposed) as proposed:
        RefundService.create_refund(
            order, amount=Decimal(amount), staff_user=sam, propose=True, **({"destination": CARD} | options)
        )
    return proposed.value.refund


def item_of(refund: Refund) -> OpenItem:
    return OpenItem.objects.get(kind=OpenItem.Kind.APPROVAL, subject=f"refund:{refund.pk}")


def assert_waits(refund: Refund, order: Order) -> None:
    refund.refresh_from_db()
    order.refresh_from_db()
    assert refund.state == State.AWAITING_APPROVAL
    assert {part.state for part in refund.parts.all()} == {State.AWAITING_APPROVAL}
    assert order.reserved_amount == refund.amount
    assert item_of(refund).resolved_at is None
    assert_books_agree()
