"""An item over money that arrived too late says that the refund proposed for it was rejected, by whom and why."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import OpenItem, Order, Refund
from registration.services.approval import reject_refund, withdraw_refund
from registration.services.errors import RefundProposed
from registration.services.refund import RefundService
from registration.services.surplus import note_refund
from tests.dashboard.reading import text_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def item(order: Order) -> OpenItem:
    """A payment of 12.50 that came too late."""
    facts = {"amount": "12.50", "currency": order.currency}
    return OpenItem.objects.create(
        kind=OpenItem.Kind.PAID_LATE, subject="late", conference=order.conference, order=order, facts=facts
    )


@pytest.fixture
def proposal(order: Order, item: OpenItem, sam: Any) -> Refund:
    """A refund of it that waits for a second person."""
    order.conference.support_refund_limit = Decimal("5.00")
    order.conference.save()
    with pytest.raises(RefundProposed) as proposed:
        RefundService.create_refund(order, amount=Decimal("12.50"), destination="CREDIT", staff_user=sam, propose=True)
    note_refund(item, proposed.value.refund)
    return proposed.value.refund


def test_item_and_queue_say_who_rejected_it_and_why(
    grace_client: Client, grace: Any, item: OpenItem, proposal: Refund
) -> None:
    pages = (reverse("attention_item", args=[item.pk]), reverse("attention_list"))
    for page in pages:
        assert "rejected" not in text_of(grace_client.get(page))

    reject_refund(proposal, staff_user=grace, reason="Ada <b>wants</b> the seat")

    for page in pages:
        said = text_of(grace_client.get(page))
        assert f"{grace.get_full_name()} rejected €12.50, proposed by" in said
        assert ": Ada &lt;b&gt;wants&lt;/b&gt; the seat" in said
        assert proposal.number in said


def test_what_was_withdrawn_was_rejected_by_nobody(
    grace_client: Client, sam: Any, item: OpenItem, proposal: Refund
) -> None:
    withdraw_refund(proposal, staff_user=sam)

    page = text_of(grace_client.get(reverse("attention_item", args=[item.pk])))

    assert proposal.number in page
    assert "rejected" not in page
