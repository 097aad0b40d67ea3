"""Money above an order's total, or paid after its end: what of it is left, and the refund that gives it back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from django.utils.translation import gettext as _

from registration.json_rows import fetched
from registration.models import OpenItem, Order, Payment, Refund
from registration.models.refund import OPEN, State
from registration.money import ZERO, format_money
from registration.said import Said, say
from registration.services.errors import RefundError
from registration.services.price_kept import families_beside, price_kept, refunds_for_surplus

Kind = OpenItem.Kind
TOO_MUCH = (Kind.OVERPAID, Kind.PAID_LATE)
"""Items about money that is owed back without anybody giving up what they ordered."""


def left_of_surplus(order: Order) -> Decimal:
    """What was paid above the total and is neither refunded nor on its way nor proposed.

    Offered a second time, the refund of a surplus would pay back the ticket as well.
    """
    left: Decimal = max(ZERO, order.refundable_amount - order.total)
    return left


def left_for(item: OpenItem, order: Order) -> Decimal:
    """What is left of the money that an item is about, in the order's currency; nothing once the item is settled."""
    if item.resolved_at is not None or item.kind not in TOO_MUCH:
        return ZERO
    payment = payment_of(item)
    return min(payment.refundable_amount, order.refundable_amount) if payment else left_of_surplus(order)


def payment_of(item: OpenItem | None) -> Payment | None:
    """The payment that the money must come from: what came after the end goes back from what came then."""
    return item.payment if item is not None and item.kind == Kind.PAID_LATE else None


def refunds_under_way(order: Order) -> list[Refund]:
    """The refunds of an order that are proposed or on their way, the oldest first."""
    if order.reserved_amount <= ZERO and order.refunded_amount <= ZERO:
        return []
    waiting = (refund for refund in fetched(order, "refunds") if refund.state in OPEN)
    return sorted(waiting, key=lambda refund: refund.pk)


def in_words(refund: Refund) -> str:
    """A refund that is proposed or on its way, as a sentence."""
    values = {"number": refund.number, "amount": format_money(refund.amount, refund.currency)}
    if refund.state == State.AWAITING_APPROVAL:
        return _("%(number)s over %(amount)s waits for a second person.") % values
    if refund.is_held:
        return _("%(number)s over %(amount)s is about to be sent.") % values
    if refund.state == State.AWAITING_TRANSFER:
        return _("%(number)s over %(amount)s has to be paid back by hand.") % values
    return _("%(number)s over %(amount)s is on its way.") % values


def why_nothing_left(item: OpenItem, order: Order) -> str:
    """Why nothing can be refunded for an item, naming the refunds under way; empty while something can."""
    if item.resolved_at is not None:
        return _("This item has been settled already. Nothing of it is left to refund.")
    if left_for(item, order) > ZERO:
        return ""
    said = [_("Nothing of what was paid too much is left to refund.")]
    return " ".join([*said, *map(in_words, refunds_under_way(order))])


def check_for_item(
    order: Order, item: OpenItem, amount: Decimal, line_amounts: Mapping[int, Decimal] | None = None
) -> None:
    """Refuse a refund that is made for an item and is more than is left of what the item is about.

    Args:
        order: Locked by the caller when it acts on the answer.
        item: Only its key is trusted; the row is read again.
        amount: What would be refunded, in the order's currency.
        line_amounts: How much of it is for which line item, by key.

    Raises:
        RefundError: Settled meanwhile, another order's, for line items, or more than is left; saying which refund took
            it.
    """
    fresh = OpenItem.objects.select_related("payment").filter(pk=item.pk, order=order, kind__in=TOO_MUCH).first()
    if fresh is None:
        raise RefundError(_("This item is not about money that was paid too much for %(order)s.") % {"order": order})
    if line_amounts:
        raise RefundError(_("What was paid too much is for no line item."))
    if why := why_nothing_left(fresh, order):
        raise RefundError(why)
    if amount > (left := left_for(fresh, order)):
        raise RefundError(
            _("At most %(left)s of what was paid too much is left to refund.")
            % {"left": format_money(left, order.currency)}
        )


def why_beyond_surplus(order: Order, family: Collection[Refund], amount: Decimal = ZERO) -> Said | None:
    """Why refunds made for a surplus would pay back more than that; ``None`` while they would not.

    A refund decided since, one made at Stripe or a higher total may have taken the surplus; not one of a line item that
    was given up, nor a proposal that nobody approved. Of an order that went back whole, everything is owed back.

    Args:
        order: Locked by the caller when it acts on the answer.
        family: The refund in question and all that tried the same money; what waits has its own sum reserved.
        amount: What would go out beside that, in the order's currency.
    """
    if order.status == Order.Status.REFUNDED or order.refundable_amount - amount >= order.total:
        return None
    if refunds_for_surplus(order).isdisjoint(refund.pk for refund in family):
        return None
    beside = families_beside(order, family)
    left = order.refundable_amount + sum((each.proposed_amount for each in beside), ZERO) - amount
    return None if left >= price_kept(order, beside) else say("surplus_gone")


def item_of(refund: Refund) -> OpenItem | None:
    """The open item about money paid too much that a refund was decided for, as long as no later one was."""
    return refund.open_items.unresolved().filter(kind__in=TOO_MUCH).select_related("payment").first()


def note_refund(item: OpenItem, refund: Refund) -> None:
    """Let an item name the refund that was decided for it. The caller holds the order's lock."""
    OpenItem.objects.filter(pk=item.pk).update(refund=refund)
