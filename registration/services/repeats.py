"""A failed refund that somebody repeated in Stripe's own dashboard: named as its repeat, it settles both items.

Nothing is matched by itself: that payment and amount fit is an offer, and a person says that it is so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import ACCEPTED
from registration.said import say
from registration.services.errors import RefundError
from registration.services.history import record
from registration.services.open_items import close_items
from registration.services.retries import close_failures, left_beside_waiting, open_amount

Kind = OpenItem.Kind
ABOUT = (Kind.FAILED, Kind.EXTERNAL)


@dataclass(frozen=True)
class Repeat:
    """A failure that is open, and a refund made at Stripe that may be its repeat."""

    failure: OpenItem
    part: RefundPart


def repeats_for(items: Iterable[OpenItem]) -> dict[int, list[Repeat]]:
    """What may be the repeat of what, for open items of either kind, by the item's key.

    A refund made at Stripe fits a failure of the same payment when it was made after what failed, came through, is over
    exactly what is open of it, and was named for nothing yet: one over more gave back something else as well, which
    nobody decided. Asks the same number of questions however many items there are.
    """
    about = [item for item in items if item.kind in ABOUT and item.payment_id and item.refund_id]
    payments = {item.payment_id for item in about if item.resolved_at is None}
    if not payments:
        return {}
    made = list(_made_at_stripe().filter(payment__in=payments))
    failures = _failures().filter(payment__in={part.payment_id for part in made}) if made else OpenItem.objects.none()
    pairs = [Repeat(item, part) for item in failures for part in made if _fits(item, part)]
    return {item.pk: [pair for pair in pairs if _is_about(item, pair)] for item in about}


def repeats_of(item: OpenItem) -> list[Repeat]:
    """What may be the repeat of what, for one open item of either kind."""
    return repeats_for([item]).get(item.pk, [])


def _is_about(item: OpenItem, pair: Repeat) -> bool:
    return item.pk == pair.failure.pk or (item.kind == Kind.EXTERNAL and item.refund_id == pair.part.refund_id)


def _made_at_stripe() -> QuerySet[RefundPart]:
    made = RefundPart.objects.filter(
        refund__source=Refund.Source.EXTERNAL, refund__retry_of__isnull=True, state__in=ACCEPTED
    )
    return made.select_related("refund", "payment").order_by("pk")


def _failures() -> QuerySet[OpenItem]:
    has_part = Q(subject__startswith="part:", refund__isnull=False, order__isnull=False)
    return OpenItem.objects.unresolved().filter(has_part, kind=Kind.FAILED).select_related("refund").order_by("pk")


def _fits(failure: OpenItem, part: RefundPart) -> bool:
    refund = failure.refund
    if refund is None or failure.payment_id != part.payment_id or refund.pk == part.refund_id:
        return False
    # Stripe tells whole seconds.
    after = part.sent_at is not None and part.sent_at >= _second_of(refund.created_at)
    return after and part.currency == failure.facts.get("currency") and part.amount == open_amount(failure)


def _second_of(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


@transaction.atomic
def settle_as_repeat(failure: OpenItem, repeat: Refund, *, staff_user: Any) -> OpenItem:
    """Say that a refund made at Stripe is the repeat of one that failed, and settle the items of both.

    From then on it counts as one that tried the same money again: what waits to try it too is not sent any more, and
    when it fails later, that is open again.

    Args:
        failure: A FAILED item; only its key is trusted.
        repeat: The refund made at Stripe; only its key is trusted.
        staff_user: Who says so.

    Returns:
        The failure's item, settled.

    Raises:
        RefundError: One of them was settled or named meanwhile, a retry has the money, or they do not fit. Nothing was
            changed.
    """
    order = Order.objects.select_for_update(of=("self",), no_key=True).filter(open_items=failure.pk).first()
    pair = _pair_of(failure, repeat) if order is not None else None
    if order is None or pair is None or pair.failure.refund is None:
        raise RefundError(_("These two do not belong together any more. Reload the page and look again."))
    _settle_both(order, pair, pair.failure.refund, staff_user)
    return OpenItem.objects.get(pk=failure.pk)


def _pair_of(failure: OpenItem, repeat: Refund) -> Repeat | None:
    """The two as they are under the order's lock, while nothing else that is on its way pays the same money."""
    pairs = repeats_of(OpenItem.objects.get(pk=failure.pk))
    pair = next((each for each in pairs if each.part.refund_id == repeat.pk), None)
    if pair is None or pair.failure.refund is None:
        return None
    return pair if pair.part.amount <= left_beside_waiting(pair.failure.refund) else None


def _settle_both(order: Order, pair: Repeat, failed: Refund, staff_user: Any) -> None:
    refund = pair.part.refund
    refund.retry_of = failed
    refund.save(update_fields=["retry_of", "updated_at"])
    part = RefundPart.objects.get(pk=pair.failure.subject.removeprefix("part:"), refund=failed)
    resolution = say("repeated_at_stripe", number=refund.number)
    close_failures(order, refund, part=part, resolution=resolution, staff_user=staff_user)
    close_items(
        Kind.EXTERNAL,
        pair.part.stripe_refund_id or "",
        conference=order.conference,
        resolution=say("repeats", number=failed.number),
        staff_user=staff_user,
    )
    facts = {"amount": refund.amount, "currency": refund.currency, "number": refund.number, "failed": failed.number}
    record(order, "refund_repeated", actor=staff_user, refund=refund, facts=facts)
