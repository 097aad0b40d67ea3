"""How much one person may send back alone; above it a second person decides."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import Conference, Order, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import ZERO, format_money, quantize_money

Channel = RefundPart.Channel
WITHOUT_LIMIT = "registration.refund_without_limit"


def is_limited(conference: Conference, staff_user: Any) -> bool:
    """Whether a limit of the conference holds for this person; callers that name nobody have none."""
    has_limit = conference.support_refund_limit is not None or conference.support_daily_limit is not None
    return has_limit and staff_user is not None and not staff_user.has_perm(WITHOUT_LIMIT)


def why_above_limit(order: Order, total: Decimal, staff_user: Any) -> str:
    """Why ``total`` is more than this person may send back alone, as a sentence; empty when it is not.

    Args:
        order: Whose conference sets the limits.
        total: All that would go out, goodwill included, in the order's currency.
        staff_user: Who asks.
    """
    conference = order.conference
    if not is_limited(conference, staff_user):
        return ""
    at_once, a_day = conference.support_refund_limit, conference.support_daily_limit
    if at_once is not None and total > at_once:
        return _("You can refund up to %(limit)s at once. Ask Finance for more.") % {
            "limit": format_money(at_once, order.currency)
        }
    if a_day is not None and total + (today := refunded_today(conference, staff_user)) > a_day:
        return _("You refunded %(today)s of the %(limit)s that you can refund in a day. Ask Finance for more.") % {
            "today": format_money(today, order.currency),
            "limit": format_money(a_day, order.currency),
        }
    return ""


def refunded_today(conference: Conference, staff_user: Any) -> Decimal:
    """What this person sent back alone since midnight at the conference, in its currency.

    What a second person approved, or still has to, does not count, nor does what moved no money.
    """
    refunds = Refund.objects.filter(
        requested_by=staff_user,
        order__conference=conference,
        created_at__gte=_midnight(conference),
        decided_by__isnull=True,
    ).exclude(state__in=(*OVER, State.AWAITING_APPROVAL))
    sums = [refunds.aggregate(sum=Sum("amount"))["sum"]]
    gifts = RefundPart.objects.filter(
        refund__in=refunds.filter(destination=Refund.Destination.CARD_AND_CREDIT),
        channel__in=(Channel.STRIPE, Channel.MANUAL),
    )
    sums.append(gifts.aggregate(sum=Sum("amount"))["sum"])
    return sum((quantize_money(each) for each in sums if each is not None), ZERO)


def one_at_a_time(conference: Conference, staff_user: Any) -> None:
    """Lock the person, so that two refunds of theirs at the same moment cannot both fit into what the day leaves.

    The caller holds an order's lock and asks for no other afterwards.
    """
    if conference.support_daily_limit is not None and is_limited(conference, staff_user):
        people = get_user_model()._default_manager.filter(pk=staff_user.pk)
        list(people.select_for_update(no_key=True).values_list("pk"))


def total_of(refund: Refund) -> Decimal:
    """All that a refund sends out, goodwill included, in its currency."""
    if refund.destination != Refund.Destination.CARD_AND_CREDIT:
        return Decimal(refund.amount)
    gift = refund.parts.filter(channel__in=(Channel.STRIPE, Channel.MANUAL)).values_list("amount", flat=True)
    return Decimal(refund.amount) + sum(gift, ZERO)


def _midnight(conference: Conference) -> datetime:
    now = timezone.localtime(timezone.now(), ZoneInfo(conference.timezone))
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
