"""Limits per refund and per day hold for each person, whatever they send it through."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from registration.models import Conference, Order, Refund
from registration.roles import ensure_roles
from registration.services.approval import approve_refund
from registration.services.errors import RefundError, RefundProposed
from registration.services.limits import refunded_today, why_above_limit
from registration.services.refund import RefundService
from registration.services.undo import undo_refund
from tests.registration.books import make_conference, make_user
from tests.registration.desk import at_once, card_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
CARD = Refund.Destination.CARD


@pytest.fixture
def conference(db: None) -> Conference:
    """Where support may refund 60.00 at once and 100.00 in a day."""
    return make_conference(support_refund_limit=Decimal("60.00"), support_daily_limit=Decimal("100.00"))


@pytest.fixture
def sam(db: None) -> Any:
    """Support."""
    user = make_user("sam")
    user.groups.add(ensure_roles()["Support"])
    return user


def refund(order: Order, amount: str, who: Any, **options: Any) -> None:
    RefundService.create_refund(order, amount=Decimal(amount), staff_user=who, **({"destination": CARD} | options))


def test_a_day_has_its_limit(conference: Conference, sam: Any, sandbox: "SandboxServer") -> None:
    first, second = card_order(sandbox, "200.00", conference), card_order(sandbox, "200.00", conference)
    refund(first, "60.00", sam)

    with pytest.raises(RefundError, match=r"You refunded \$60\.00 of the \$100\.00 that you can refund in a day"):
        refund(second, "40.01", sam)

    assert not second.refunds.exists()
    refund(second, "40.00", sam)
    assert refunded_today(conference, sam) == Decimal("100.00")


def test_above_the_days_limit_a_second_person_decides(
    conference: Conference, sam: Any, sandbox: "SandboxServer"
) -> None:
    order, grace = card_order(sandbox, "200.00", conference), make_user("grace")
    grace.groups.add(ensure_roles()["Finance"])
    refund(order, "60.00", sam)
    with pytest.raises(RefundProposed) as proposed:
        refund(order, "50.00", sam, propose=True)

    approve_refund(proposed.value.refund, staff_user=grace)

    # What a second person answers for leaves the day as it was.
    assert refunded_today(conference, sam) == Decimal("60.00")
    refund(order, "40.00", sam)


def test_the_gift_on_top_counts(conference: Conference, sam: Any, sandbox: "SandboxServer") -> None:
    order = card_order(sandbox, "200.00", conference)

    refund(order, "30.00", sam, destination=Refund.Destination.CARD_AND_CREDIT)

    assert refunded_today(conference, sam) == Decimal("60.00")
    assert "in a day" in why_above_limit(order, Decimal("40.01"), sam)
    assert why_above_limit(order, Decimal("40.00"), sam) == ""


def test_yesterday_and_what_was_taken_back_do_not_count(
    conference: Conference, sam: Any, sandbox: "SandboxServer"
) -> None:
    order = card_order(sandbox, "200.00", conference)
    refund(order, "60.00", sam)
    Refund.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    with pytest.raises(RefundError):
        refund(order, "50.00", sam, hold_seconds=60)
    assert refunded_today(conference, sam) == Decimal("50.00")

    undo_refund(order.refunds.latest("pk"), staff_user=sam)

    assert refunded_today(conference, sam) == Decimal("0.00")


def test_each_person_has_a_day_of_their_own(conference: Conference, sam: Any, sandbox: "SandboxServer") -> None:
    order, kim = card_order(sandbox, "200.00", conference), make_user("kim")
    refund(order, "60.00", sam)
    refund(order, "60.00", kim)
    assert refunded_today(conference, kim) == Decimal("60.00")


def test_finance_and_callers_without_a_name_have_no_limit(conference: Conference, sandbox: "SandboxServer") -> None:
    grace = make_user("grace")
    grace.groups.add(ensure_roles()["Finance"])
    order = card_order(sandbox, "400.00", conference)

    refund(order, "150.00", grace)
    refund(order, "150.00", None)

    assert order.refunds.count() == 2


def test_the_same_moment_cannot_fit_twice_into_a_day(
    conference: Conference, sam: Any, sandbox: "SandboxServer"
) -> None:
    orders = [card_order(sandbox, "60.00", conference) for _number in range(6)]

    losers = at_once(*(partial(refund, order, "45.00", sam) for order in orders))

    assert refunded_today(conference, sam) == Decimal("90.00")
    assert len(losers) == 4
