"""Refunds that try a failed one again: what of it is left to try, and the item that says it failed.

A refund and all that tries it again are one family, for they are about the same money: it goes back at most once,
whichever of them is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import ZERO, format_money
from registration.said import Said, say
from registration.services.errors import RefundError
from registration.services.open_items import open_item
from registration.services.surplus import why_beyond_surplus

Kind = OpenItem.Kind
GAVE_WAY = "taken_back"
"""The failure reason of credit that was taken back because the same money had gone to the card: it did arrive."""


def check_retry(order: Order, failed: Refund | None, amount: Decimal) -> None:
    """Refuse to try again what did not fail, what another retry has or is about to send, or a surplus that is gone.

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
    if not any(_came_back(part) for part in failed.parts.all()):
        raise RefundError(_("%(number)s did not fail, so there is nothing to try again.") % {"number": failed.number})
    family = family_of(failed)
    alive = _alive(family)
    if alive and amount > (left := _left_of(family)):
        raise RefundError(_why_not_again(failed, alive[-1], left))
    if beyond := why_beyond_surplus(order, family, amount):
        raise RefundError(str(beyond))


def most_to_try(failed: Refund) -> Decimal | None:
    """The most that another retry may ask for, once others took some of it on themselves; ``None`` before that."""
    family = family_of(failed)
    return _left_of(family) if _alive(family) else None


def left_to_try(failed: Refund) -> Decimal:
    """How much of a failed refund, and of all that tried the same money, nobody has and nothing is sending."""
    return _left_of(family_of(failed))


def taken_on(failed: Refund) -> tuple[list[Refund], Decimal]:
    """The refunds that took what failed on themselves, and how much of it; nothing and zero when none did."""
    family = family_of(failed)
    amount = _sum(part for part in failed.parts.all() if _came_back(part)) - _left_of(family)
    if not _alive(family) or amount <= 0:
        return [], ZERO
    others = [refund for refund in _alive(family) if refund.pk != failed.pk]
    return [refund for refund in others if refund.pk > failed.pk] or others, amount


def left_beside_waiting(failed: Refund) -> Decimal:
    """What is left to try if the retries that wait for a person or their seconds give way, as they do to a repeat."""
    family = family_of(failed)
    first, *retries = family
    begun = [retry for retry in retries if not retry.is_held and retry.state != State.AWAITING_APPROVAL]
    left: Decimal = max(ZERO, _asked_of(family) - _out_of([first, *begun]))
    return left


def open_amount(failure: OpenItem) -> Decimal:
    """How much of what failed is open, in its currency; what a retry covers is an item of its own."""
    return Decimal(failure.facts["amount"])


def failed_before(refund: Refund) -> Refund | None:
    """The newest that failed of a refund and all that tried the same money, while something of it is left to try."""
    family = family_of(refund)
    failed = (each for each in reversed(family) if each.state == State.FAILED)
    return next(failed, None) if _left_of(family) else None


def is_one_too_many(retry: Refund) -> bool:
    """Whether what a retry that waits would pay has reached the attendee another way meanwhile."""
    if retry.retry_of is None:
        return False
    family = family_of(retry)
    return _out_of(family) > _asked_of(family)


def is_needless(part: RefundPart) -> bool:
    """Whether a part awaits a transfer of what has reached the attendee another way meanwhile."""
    return part.state == State.AWAITING_TRANSFER and is_one_too_many(part.refund)


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


def _left_of(family: list[Refund]) -> Decimal:
    return max(ZERO, _asked_of(family) - _out_of(family))


def _asked_of(family: list[Refund]) -> Decimal:
    """What came back of the first, or more where more was asked for later."""
    first, *others = family
    came_back = _sum(part for part in first.parts.all() if _came_back(part))
    asked: Decimal = max([came_back, *(refund.amount for refund in others)])
    return asked


def _out_of(family: list[Refund]) -> Decimal:
    return _sum(chain.from_iterable(_out_by(refund) for refund in family[1:]))


def _came_back(part: RefundPart) -> bool:
    return part.state in OVER and part.failure_reason != GAVE_WAY


def _out_by(refund: Refund) -> list[RefundPart]:
    """What a retry took on itself; the rest of a credit that gave way is counted with the whole credit already."""
    gave_way = refund.retry_of.parts.filter(failure_reason=GAVE_WAY) if refund.retry_of else RefundPart.objects.none()
    counted = set(gave_way.values_list("credit", flat=True))
    return [part for part in refund.parts.all() if not _came_back(part) and part.credit_id not in counted]


def _sum(parts: Iterable[RefundPart]) -> Decimal:
    return sum((part.amount for part in parts), ZERO)


def _why_not_again(failed: Refund, alive: Refund, left: Decimal) -> str:
    values = {"failed": failed.number, "number": alive.number, "left": format_money(left, failed.currency)}
    if left:
        return _("%(failed)s was tried again as %(number)s already; at most %(left)s of it is left to try.") % values
    if not alive.is_open:
        return _("%(failed)s was tried again as %(number)s already, and that went out.") % values
    return _("It is being tried again as %(number)s already.") % values


def close_failures(
    order: Order,
    refund: Refund,
    *,
    part: RefundPart | None = None,
    resolution: Said | None = None,
    staff_user: Any = None,
) -> None:
    """Settle as much of what is open about the same money as a retry covers; what it does not cover stays open.

    Args:
        order: Locked by the caller.
        refund: The retry.
        part: What it settles first; otherwise what failed of the same payments and of the refund it names.
        resolution: How; that it was tried again when left out.
        staff_user: Who settles it; who asked for the retry when left out.
    """
    if refund.retry_of is None:
        return
    family = family_of(refund)
    items = _open_failures(family)
    is_open = sum((open_amount(item) for item in items), ZERO)
    # What is open may speak of the same money twice: of a refund, and of a retry of it that was never sent.
    take = max(is_open - _left_of(family), _sum(_out_by(refund)))
    for item, covered in _covered(sorted(items, key=_nearest_to(refund, part)), take):
        _settle(item, covered, resolution or _tried_again(refund), staff_user or refund.requested_by)


def _open_failures(family: list[Refund]) -> list[OpenItem]:
    items = OpenItem.objects.unresolved().filter(kind=Kind.FAILED, refund__in=family)
    return list(items.order_by("pk"))


def _nearest_to(refund: Refund, part: RefundPart | None) -> Callable[[OpenItem], tuple[bool, bool, bool, int]]:
    subject = f"part:{part.pk}" if part is not None else ""
    payments = {each.payment_id for each in refund.parts.all()}

    def rank(item: OpenItem) -> tuple[bool, bool, bool, int]:
        named = item.refund_id == refund.retry_of_id
        return item.subject != subject, not named, item.payment_id not in payments, item.pk

    return rank


def _covered(items: list[OpenItem], amount: Decimal) -> Iterator[tuple[OpenItem, Decimal]]:
    for item in items:
        share = min(amount, open_amount(item))
        if share > 0:
            yield item, share
        amount -= share


def _settle(item: OpenItem, covered: Decimal, resolution: Said, staff_user: Any) -> None:
    """Settle an item; of one that is covered in part, that part, as an item of its own, while the rest stays open."""
    rest = open_amount(item) - covered
    settled = {"resolved_at": timezone.now(), "resolution": resolution, "resolved_by": staff_user}
    unresolved = OpenItem.objects.unresolved().filter(pk=item.pk)
    if not rest:
        unresolved.update(**settled)
    elif unresolved.update(facts=item.facts | {"amount": str(rest)}):
        OpenItem.objects.create(
            conference=item.conference,
            kind=item.kind,
            subject=item.subject,
            order=item.order,
            refund=item.refund,
            payment=item.payment,
            facts=item.facts | {"amount": str(covered)},
            **settled,
        )


def reopen_failures(order: Order, refund: Refund) -> None:
    """Open again what a retry had settled that was taken back before it went out. The caller holds the order's lock."""
    for item in OpenItem.objects.filter(order=order, kind=Kind.FAILED, resolution=_tried_again(refund)):
        rest = OpenItem.objects.unresolved().filter(conference=order.conference, kind=item.kind, subject=item.subject)
        if (still_open := rest.first()) is not None:
            whole = open_amount(still_open) + open_amount(item)
            rest.update(facts=still_open.facts | {"amount": str(whole)})
            continue
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
