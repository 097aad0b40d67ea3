"""What the page of an order reads in one question is, column by column, what the ORM reads of each row."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Model

from dashboard.orders.record import history_of, read_whole
from dashboard.permissions import OneQuestionBackend, conference_seen_by, conferences_seen_by
from registration.kept_query import columns_of
from registration.models import (
    Conference,
    HistoryEntry,
    Membership,
    OpenItem,
    Order,
    Payment,
    Refund,
    RefundPart,
)
from registration.services.refund import RefundService
from tests.cast import make_credit

pytestmark = pytest.mark.django_db


def columns(rows: Iterable[Model]) -> list[dict[str, Any]]:
    return [{name: getattr(row, name) for name in columns_of(type(row))} for row in rows]


def test_rows_are_those_of_the_orm(conference: Conference, grace: Any, card_order: Order) -> None:
    RefundService.create_refund(card_order, amount=Decimal("10.00"), destination="CREDIT", staff_user=grace)
    Payment.objects.filter(order=card_order).update(dispute={"status": "won", "created": 1790000000})
    OpenItem.objects.create(
        conference=conference, order=card_order, kind=OpenItem.Kind.OVERPAID, subject="x", facts={"amount": "1.00"}
    )
    make_credit(conference, card_order.user, "12.50")
    order = Order.objects.get(pk=card_order.pk)

    beside = read_whole(order, grace)

    parts = [part for refund in order.refunds.all() for part in refund.parts.all()]
    assert parts
    assert columns(order.payments.all()) == columns(Payment.objects.filter(order=order))
    assert columns(order.refunds.all()) == columns(Refund.objects.filter(order=order))
    assert columns(parts) == columns(RefundPart.objects.filter(refund__order=order))
    assert columns(order.open_items.all()) == columns(OpenItem.objects.filter(order=order))
    assert columns(beside.lines) == columns(order.line_items.order_by("pk"))
    assert columns(history_of(order, 0)) == columns(HistoryEntry.objects.filter(order=order).order_by("-position"))
    assert order.refunds.all()[0].requested_by == grace
    assert beside.credit_left == Decimal("22.50")


def test_a_session_brings_the_user_and_their_conferences_as_the_orm_reads_them(
    conference: Conference, other_conference: Conference, grace: Any
) -> None:
    Conference.objects.filter(pk=conference.pk).update(
        start_date=date(2026, 5, 1), support_refund_limit=Decimal("50.00"), support_daily_limit=Decimal("100.00")
    )
    conference.stripe_secret_key = "sk_test_of_this_conference"
    conference.save(update_fields=["stripe_secret_key"])
    Membership.objects.get_or_create(user=grace, conference=other_conference)

    user = OneQuestionBackend().get_user(grace.pk)
    seen = conferences_seen_by(user)
    alone = conference_seen_by(user, conference.slug)

    assert columns([user]) == columns([get_user_model().objects.get(pk=grace.pk)])
    assert columns(seen) == columns(Conference.objects.filter(memberships__user=grace))
    assert alone is not None
    assert "stripe_secret_key" not in alone.__dict__
    assert conference_seen_by(user, "elsewhere") is None
    assert user.get_all_permissions() == get_user_model().objects.get(pk=grace.pk).get_all_permissions()


@pytest.mark.parametrize("name", ["payments", "refunds"])
def test_rows_at_hand_are_not_asked_for_again(grace: Any, card_order: Order, name: str) -> None:
    """Made without their owner, they would answer for everybody's."""
    read_whole(card_order, grace)
    rows = getattr(card_order, name).all()

    assert len(rows) == (1 if name == "payments" else 0)
    with pytest.raises(RuntimeError, match="cannot be asked for again"):
        rows.filter(pk=1)


def test_somebody_shut_out_is_nobody(grace: Any) -> None:
    get_user_model().objects.filter(pk=grace.pk).update(is_active=False)

    assert OneQuestionBackend().get_user(grace.pk) is None
