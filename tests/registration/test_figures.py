"""What the overview counts, each figure against sums done by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from registration import figures
from registration.models import Conference, CreditEntry, OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.services.refund import RefundService
from tests.cast import make_conference, make_credit, make_order

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def move(order: Order, amount: str, at: datetime, state: str = State.SUCCEEDED, **fields: Any) -> Refund:
    """A refund with one part, as it stands at a moment."""
    channel = fields.pop("channel", RefundPart.Channel.STRIPE)
    refund = Refund.objects.create(order=order, amount=Decimal(amount), state=state, **fields)
    RefundPart.objects.create(
        refund=refund, payment=order.payments.get(), channel=channel, amount=refund.amount, state=state
    )
    Refund.objects.filter(pk=refund.pk).update(created_at=at)
    refund.parts.update(created_at=at)
    return refund


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def test_refunds_are_counted_by_state_on_the_day_they_were_decided(order: Order) -> None:
    monday = date(2026, 3, 2)
    move(order, "10.00", noon(monday))
    move(order, "5.50", noon(monday), channel=RefundPart.Channel.STORE_CREDIT)
    move(order, "7.00", noon(monday), State.PENDING)
    move(order, "3.00", noon(monday), State.REQUESTED)
    move(order, "4.00", noon(monday), State.AWAITING_APPROVAL)
    move(order, "2.00", noon(monday + DAY), State.FAILED)
    move(order, "1.00", noon(monday - DAY))

    days = figures.refunds_by_day(order.conference, monday)

    first = figures.Moved(
        arrived=Decimal("15.50"),
        under_way=Decimal("10.00"),
        proposed=Decimal("4.00"),
        as_credit=Decimal("5.50"),
        accepted=Decimal("22.50"),
    )
    assert days == {monday: first, monday + DAY: figures.Moved(failed=Decimal("2.00"))}
    assert figures.refunded_before(order.conference, monday) == Decimal("1.00")
    assert figures.by_reason(order.conference, monday, monday + DAY) == [
        ("", "requested_by_customer", Decimal("22.50"), 3)
    ]


def test_a_day_begins_where_the_conference_is(ada: Any) -> None:
    far = make_conference("auckland", timezone="Pacific/Auckland")
    order = make_order(far, ada, paid="80.00")
    # 13:00 in UTC is two in the morning of the next day there.
    move(order, "10.00", datetime(2026, 1, 5, 13, tzinfo=UTC))

    assert list(figures.refunds_by_day(far, date(2026, 1, 6))) == [date(2026, 1, 6)]
    assert figures.refunded_before(far, date(2026, 1, 6)) == 0


def test_dimes_add_up_to_the_cent(conference: Conference, ada: Any) -> None:
    orders = [make_order(conference, ada, paid="0.10") for _index in range(30)]
    for order in orders:
        move(order, "0.10", noon(date(2026, 3, 2)))

    days = figures.refunds_by_day(conference, date(2026, 3, 2))

    assert days[date(2026, 3, 2)].accepted == Decimal("3.00")
    assert figures.paid_until(conference, [timezone.now().date() + DAY]) == [Decimal("3.00")]


def test_what_was_paid_is_summed_from_range_to_range(
    conference: Conference, other_conference: Conference, ada: Any
) -> None:
    days = [date(2026, 3, 2), date(2026, 3, 9), date(2026, 3, 16)]
    for day, amount in zip((days[0] - DAY, days[0], days[1] + DAY), ("10.00", "20.00", "40.00"), strict=True):
        order = make_order(conference, ada, paid=amount)
        Order.objects.filter(pk=order.pk).update(created_at=noon(day))
    make_order(other_conference, ada, paid="500.00")

    assert figures.paid_until(conference, days) == [Decimal(10), Decimal(30), Decimal(70)]
    assert figures.paid_until(conference, []) == []
    assert figures.first_day(conference) == days[0] - DAY


def test_credit_owed_is_the_sum_of_its_entries_day_by_day(conference: Conference, ada: Any, order: Order) -> None:
    credit = make_credit(conference, ada, "30.00")
    make_credit(conference, ada, "12.00")
    CreditEntry.objects.create(credit=credit, kind=CreditEntry.Kind.ADJUSTED, amount=Decimal("-5.00"))
    today = timezone.now().date()

    assert figures.credit_by_day(conference, today) == {today: Decimal("37.00")}
    assert figures.credit_by_day(conference, today + DAY) == {}


def test_credit_by_age_holds_every_credit_once(conference: Conference, ada: Any) -> None:
    today = timezone.now().date()
    for days, amount in ((0, "1.00"), (29, "2.00"), (31, "4.00"), (100, "8.00"), (200, "16.00"), (400, "32.00")):
        credit = make_credit(conference, ada, amount)
        type(credit).objects.filter(pk=credit.pk).update(created_at=noon(today - DAY * days))

    rows = figures.credit_by_age(conference, today)

    assert rows == [
        (30, Decimal("3.00"), 2),
        (90, Decimal("4.00"), 1),
        (180, Decimal("8.00"), 1),
        (365, Decimal("16.00"), 1),
        (None, Decimal("32.00"), 1),
    ]


def test_only_credit_that_can_be_spent_is_about_to_expire(conference: Conference, ada: Any) -> None:
    now = timezone.now()
    make_credit(conference, ada, "5.00", expires_at=now + DAY)
    make_credit(conference, ada, "7.00", expires_at=now - DAY)
    make_credit(conference, ada, "9.00", expires_at=now + DAY * 40)

    assert figures.expiring_credit(conference, now, now + DAY * 30) == Decimal("5.00")


def test_reasons_are_summed_the_largest_first(order: Order) -> None:
    day = date(2026, 3, 2)
    move(order, "10.00", noon(day), reason="Programme changed")
    move(order, "20.00", noon(day), reason="Our mistake")
    move(order, "15.00", noon(day), reason="Programme changed")
    move(order, "9.00", noon(day), State.FAILED, reason="Never went")

    assert figures.by_reason(order.conference, day, day) == [
        ("Programme changed", "", Decimal("25.00"), 2),
        ("Our mistake", "", Decimal("20.00"), 1),
    ]


def test_a_refund_that_is_stuck_twice_counts_once(conference: Conference, order: Order) -> None:
    refund = move(order, "10.00", timezone.now(), State.PENDING)
    for kind in (OpenItem.Kind.SLOW, OpenItem.Kind.FAILED):
        OpenItem.objects.create(conference=conference, order=order, refund=refund, kind=kind, subject=f"refund:{kind}")

    assert figures.stuck_amount(conference) == Decimal("10.00")
    assert figures.stuck_counts(conference) == {OpenItem.Kind.SLOW: 1, OpenItem.Kind.FAILED: 1}
    assert figures.stuck_count_at(conference, timezone.now().date()) == 0
    assert figures.stuck_count_at(conference, timezone.now().date() + DAY) == 2


def test_a_refund_made_by_the_service_is_counted_today(order: Order) -> None:
    RefundService.create_refund(order, amount=Decimal("8.00"), destination=Refund.Destination.CREDIT)
    today = timezone.now().date()

    moved = figures.refunds_by_day(order.conference, today)[today]

    assert (moved.accepted, moved.as_credit) == (Decimal("8.00"), Decimal("8.00"))
    assert figures.credit_by_day(order.conference, today) == {today: Decimal("8.00")}
