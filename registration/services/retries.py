"""Refunds that try a failed one again: what of it is left to try, and the item that says it failed.

A refund and all that tries it again are one family, for they are about the same money: it goes back at most once,
whichever of them is tried again.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import chain

from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import ZERO, format_money
from registration.said import Said, say
from registration.services.errors import RefundError
from registration.services.open_items import close_items, open_item

Kind = OpenItem.Kind


def check_retry(order: Order, failed: Refund | None, amount: Decimal) -> None:
    """Refuse to try again what did not fail, or what another retry has sent or is about to send.

    Args:
        order: Locked by the caller.
        failed: What would be tried again, if anything.
        amount: How much would go out, in the order's currency.

    Raises:
        RefundError: Saying which refund it is.
    """
    if failed is None:
        return
    if failed.order_id != order.pk:
        raise RefundError(_("The refund to try again belongs to another order."))
    if not failed.parts.filter(state__in=OVER).exists():
        raise RefundError(_("%(number)s did not fail, so there is nothing to try again.") % {"number": failed.number})
    family = family_of(failed)
    alive = _alive(family)
    if alive and amount > (left := _left_to_try(family)):
        raise RefundError(_why_not_again(failed, alive[-1], left))


def was_tried_again(failed: Refund) -> bool:
    """Whether other refunds took all of it on themselves, so that nothing of it is left to try."""
    family = family_of(failed)
    return bool(_alive(family)) and not _left_to_try(family)


def family_of(refund: Refund) -> list[Refund]:
    """The first of those that tried the same money, and after it the others by key."""
    first = refund
    while first.retry_of is not None:
        first = first.retry_of
    found = generation = [first]
    while generation:
        generation = list(Refund.objects.filter(retry_of__in=generation).order_by("pk"))
        found = found + generation
    return [first, *sorted(found[1:], key=lambda each: each.pk)]


def _alive(family: list[Refund]) -> list[Refund]:
    return [refund for refund in family[1:] if _out_by(refund)]


def _left_to_try(family: list[Refund]) -> Decimal:
    """What came back of the first, or more where more was asked for later, less what others took on themselves."""
    first, *others = family
    came_back = _sum(part for part in first.parts.all() if part.state in OVER)
    asked: Decimal = max([came_back, *(refund.amount for refund in others)])
    return max(ZERO, asked - _sum(chain.from_iterable(_out_by(refund) for refund in others)))


def _out_by(refund: Refund) -> list[RefundPart]:
    return [part for part in refund.parts.all() if part.state not in OVER]


def _sum(parts: Iterable[RefundPart]) -> Decimal:
    return sum((part.amount for part in parts), ZERO)


def _why_not_again(failed: Refund, alive: Refund, left: Decimal) -> str:
    values = {"failed": failed.number, "number": alive.number, "left": format_money(left, failed.currency)}
    if left:
        return _("%(failed)s was tried again as %(number)s already; at most %(left)s of it is left to try.") % values
    if alive.state == State.SUCCEEDED:
        return _("%(failed)s was tried again as %(number)s already, and that went out.") % values
    return _("It is being tried again as %(number)s already.") % values


def close_failures(
    order: Order, refund: Refund, *, part: RefundPart | None = None, resolution: Said | None = None
) -> None:
    """A retry settles what was open about the refund it names, and about all its family once nothing is left to try.

    Args:
        order: Locked by the caller.
        refund: The retry.
        part: The only part of the refund it names that it settles; all of them when left out.
        resolution: How; that it was tried again when left out.
    """
    if refund.retry_of is None:
        return
    family = family_of(refund)
    settled = [refund.retry_of] if _left_to_try(family) else [each for each in family if each != refund]
    parts = RefundPart.objects.filter(refund__in=settled)
    if part is not None and _left_to_try(family):
        parts = parts.filter(pk=part.pk)
    for key in parts.values_list("pk", flat=True):
        close_items(
            Kind.FAILED,
            f"part:{key}",
            conference=order.conference,
            resolution=resolution or _tried_again(refund),
            staff_user=refund.requested_by,
        )


def reopen_failures(order: Order, refund: Refund) -> None:
    """Open again what a retry had settled that was taken back before it went out. The caller holds the order's lock."""
    for item in OpenItem.objects.filter(order=order, kind=Kind.FAILED, resolution=_tried_again(refund)):
        open_item(
            item.kind,
            item.subject,
            conference=order.conference,
            order=order,
            refund=item.refund,
            payment=item.payment,
            facts=item.facts,
        )


def _tried_again(refund: Refund) -> Said:
    return say("tried_again", number=refund.number)
