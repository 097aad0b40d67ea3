"""Gives what Stripe has and no order knows to the order it belongs to, through the code that events use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from registration.models import Conference, OpenItem, Order, Payment
from registration.said import say
from registration.services import late_payments
from registration.services.comparison.repair import look_again
from registration.services.disputes import apply_dispute
from registration.services.errors import RefundError, StaleBalance
from registration.services.external import apply_refund
from registration.services.history import record
from registration.services.open_items import resolve_item
from registration.services.payment_lookup import find_payment
from registration.stripe_gateway import StripeGateway, StripeProblem, gateway_for
from registration.stripe_snapshots import DisputeSnapshot, IntentSnapshot, RefundSnapshot


@dataclass(frozen=True)
class Found:
    """What Stripe has: the thing that matched nothing, and the payment intent it belongs to."""

    refund: RefundSnapshot | None = None
    dispute: DisputeSnapshot | None = None
    intent: IntentSnapshot | None = None

    @property
    def charge_id(self) -> str:
        """The charge of whatever it is."""
        return next(each.charge_id for each in (self.refund, self.dispute, self.intent) if each is not None)

    @property
    def ids(self) -> set[str]:
        """All that goes by a name at Stripe."""
        things = (self.refund, self.dispute, self.intent)
        return {self.charge_id, *(each.id for each in things if each is not None)} - {""}

    @property
    def currency(self) -> str:
        """The currency it was paid in."""
        return next(each.currency for each in (self.refund, self.dispute, self.intent) if each is not None)


def match_to_order(item: OpenItem, *, reference: str, staff_user: Any, seen: str | None = None) -> Order:
    """Match an unmatched payment, refund or dispute to an order, and take it into the books.

    Stripe is asked first, with nothing locked; then everything is written at once or not at all.

    Args:
        item: An UNMATCHED item; its subject is the id at Stripe.
        reference: The order's reference, in the item's conference.
        staff_user: Who decided that they belong together.
        seen: The order as the operator saw it, as ``seen_of`` says it.

    Returns:
        The order, read again.

    Raises:
        RefundError: No such order, another currency or mode, the payment is another order's, or Stripe does not
            answer. Nothing changed.
        StaleBalance: The order changed since the operator looked.
    """
    order = order_named(item, reference)
    found = look_up(item)
    try:
        with transaction.atomic():
            _take_in(item, order, found, staff_user, seen)
    except IntegrityError as error:
        raise RefundError(
            _("%(order)s has no room for it: more would go back than was paid. Look for a refund that is under way.")
            % {"order": order.reference}
        ) from error
    look_again(item.conference, found.ids, staff_user=staff_user)
    order.refresh_from_db()
    return order


def seen_of(order: Order) -> str:
    """What staff saw of an order before they matched something to it: they decided by that."""
    return f"{order.status} {order.paid_amount:.2f} {order.refunded_amount:.2f}"


def order_named(item: OpenItem, reference: str) -> Order:
    """The order that somebody typed the reference of.

    Raises:
        RefundError: There is none at the item's conference, or the item is about something else.
    """
    if item.kind != OpenItem.Kind.UNMATCHED:
        raise RefundError(_("Only what matches no order can be matched to one."))
    wanted = reference.strip()
    if not wanted:
        raise RefundError(_("Enter the reference of the order."))
    orders = Order.objects.filter(conference=item.conference, reference__in=(wanted, wanted.upper()))
    order = orders.select_related("conference", "user").first()
    if order is None:
        raise RefundError(
            _("%(conference)s has no order %(reference)s.")
            % {"conference": item.conference.name, "reference": wanted[:40]}
        )
    return order


def look_up(item: OpenItem) -> Found:
    """Fetch what the item is about as Stripe has it now.

    Raises:
        RefundError: Stripe does not answer.
    """
    try:
        return _fetch(gateway_for(item.conference), item.subject)
    except StripeProblem as problem:
        raise RefundError(_("%(advice)s Nothing was changed.") % {"advice": problem.advice}) from problem


def _fetch(gateway: StripeGateway, stripe_id: str) -> Found:
    refund = gateway.fetch_refund(stripe_id) if stripe_id.startswith("re_") else None
    dispute = gateway.fetch_dispute(stripe_id) if stripe_id.startswith(("dp_", "du_")) else None
    about = refund or dispute
    intent_id = about.payment_intent_id if about else stripe_id
    intent = gateway.fetch_payment_intent(intent_id) if intent_id else None
    return Found(refund=refund, dispute=dispute, intent=intent)


def _take_in(item: OpenItem, order: Order, found: Found, staff_user: Any, seen: str | None) -> None:
    """Write it all under the order's lock; the item is settled in the name of whoever matched it."""
    locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    if seen is not None and seen != seen_of(locked):
        raise StaleBalance(_("%(order)s changed since you looked. Look again.") % {"order": locked.reference}, locked)
    check(locked, found)
    resolve_item(item, staff_user=staff_user, resolution=say("matched", order=locked.reference))
    facts = {"stripe_id": item.subject, "amount": item.facts.get("amount", ""), "currency": found.currency}
    record(locked, "matched_by_hand", actor=staff_user, facts=facts)
    _ensure_payment(locked, found)
    if found.refund is not None:
        apply_refund(locked.conference, found.refund)
    if found.dispute is not None:
        apply_dispute(locked.conference, found.dispute)


def check(order: Order, found: Found) -> None:
    """Refuse what does not belong to an order, or cannot be taken into the books.

    Raises:
        RefundError: Another currency or mode, another order's payment, or none that succeeded.
    """
    _refuse_foreign(order, found)
    if found.intent is None:
        if known_payment(order.conference, found) is None:
            raise RefundError(_("Stripe names no payment for this, so it cannot be matched. Settle it with a note."))
    elif found.intent.status != "succeeded":
        raise RefundError(_("Stripe says that this payment has not succeeded. Nothing was changed."))


def _refuse_foreign(order: Order, found: Found) -> None:
    if found.currency != order.currency:
        raise RefundError(
            _("This is in %(theirs)s and the order in %(ours)s, so they do not belong together.")
            % {"theirs": found.currency, "ours": order.currency}
        )
    if found.intent is not None and found.intent.livemode != order.conference.uses_live_key:
        raise RefundError(_("This payment was made in another Stripe mode than the conference's key."))
    owner = known_payment(order.conference, found)
    if owner is not None and owner.order_id != order.pk:
        raise RefundError(_("This payment belongs to %(order)s. Match it there.") % {"order": owner.order.reference})


def known_payment(conference: Conference, found: Found) -> Payment | None:
    """Our payment for it, if there is one."""
    intent_id = found.intent.id if found.intent else ""
    return find_payment(conference, intent_id=intent_id, charge_id=found.charge_id)


def _ensure_payment(order: Order, found: Found) -> None:
    """Make sure the order has the payment: the one whose ids were never kept, or a new one as if it just arrived."""
    if found.intent is None:
        return
    if known_payment(order.conference, found) is None:
        nameless = nameless_payment(order, found.intent)
        if nameless is not None:
            nameless.stripe_payment_intent_id = found.intent.id  # What was never known cannot have been sent.
            nameless.save(update_fields=["stripe_payment_intent_id"])
    late_payments.keep(order, found.intent)


def nameless_payment(order: Order, intent: IntentSnapshot) -> Payment | None:
    """The order's one captured card payment of that amount that carries no Stripe id, as imports leave them."""
    payments = Payment.objects.filter(
        order=order,
        method=Payment.Method.STRIPE,
        status__in=Payment.CAPTURED,
        amount=intent.amount,
        stripe_payment_intent_id="",
        stripe_charge_id="",
    )
    alone = list(payments[:2])
    return alone[0] if len(alone) == 1 else None
