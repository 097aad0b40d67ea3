"""A retry is a new refund, linked to a failed one of the same order."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from registration.models import OpenItem, Refund, RefundPart
from registration.services.errors import RefundError
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from tests.registration.books import control
from tests.registration.desk import card_order, refunds_at_stripe

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
