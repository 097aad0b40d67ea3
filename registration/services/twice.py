"""Money that went back twice: as store credit from this desk, and once more to the card at Stripe.

It really left, and the database has no room for it, so an open item shows it. What settles it is the credit: as much
of it as went to the card is taken back, and the refund comes into the books. What of that credit was spent already
cannot be taken back; it stays with the attendee and is shown as an item of its own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import Credit, CreditEntry, OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import ZERO, format_money
from registration.services.errors import RefundError
from registration.services.events import queue_again
from registration.services.external import import_refund, state_of
from registration.services.history import record
from registration.services.open_items import open_item, resolve_item
from registration.services.settle import settle_order, settle_refund
from registration.stripe_gateway import StripeProblem, gateway_for
from registration.stripe_snapshots import RefundSnapshot

Channel = RefundPart.Channel
TAKEN_BACK = "taken_back"


def went_back_twice(item: OpenItem) -> bool:
    """Whether an item is about a refund at Stripe that the books have no room for."""
    is_outside = item.kind == OpenItem.Kind.EXTERNAL and item.refund_id is None
    return is_outside and item.order_id is not None and item.payment_id is not None


def take_credit_back(item: OpenItem, *, staff_user: Any) -> OpenItem:
    """Take as much credit back as went to the card as well, and bring the refund at Stripe into the books.

    Stripe is asked first, with nothing locked; then everything is written at once or not at all.

    Args:
        item: An EXTERNAL item without a refund; only its key is trusted.
        staff_user: Who decided it.

    Returns:
        The item, settled.

    Raises:
        RefundError: Stripe does not answer, or there is no credit to take back. Nothing was changed.
    """
    if not went_back_twice(item) or item.order is None or item.payment is None:
        raise RefundError(_("Only what went back twice can be settled by taking credit back."))
    try:
        snapshot = gateway_for(item.conference).fetch_refund(item.subject)
    except StripeProblem as problem:
        raise RefundError(_("%(advice)s Nothing was changed.") % {"advice": problem.advice}) from problem
    try:
        with transaction.atomic():
            _settle(item, item.order, item.payment, snapshot, staff_user)
    except IntegrityError as error:
        raise RefundError(_("A refund of the same money is under way. Wait until it is settled.")) from error
    queue_again(item.conference, (snapshot.id, snapshot.charge_id))
    item.refresh_from_db()
    return item


def _settle(item: OpenItem, order: Order, payment: Payment, snapshot: RefundSnapshot, staff_user: Any) -> None:
    order = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    list(order.payments.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    locked = OpenItem.objects.select_for_update(no_key=True, of=("self",)).get(pk=item.pk)
    if locked.resolved_at is not None or not went_back_twice(locked):
        raise RefundError(_("This item has been settled already."))
    if state_of(snapshot) in OVER:
        resolve_item(item, staff_user=staff_user, resolution=_("It came back at Stripe, so nothing went out twice."))
        return
    payment.refresh_from_db()
    shares = _shares(order, payment, snapshot)
    keys = [credit.pk for credit, *_rest in shares]
    list(Credit.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk").values_list("pk"))
    rest = [(credit, amount - take) for credit, amount, take, part in shares if part is None and amount > take]
    for credit, _amount, take, part in shares:
        _take(order, credit, take, part, snapshot, staff_user)
    refund = import_refund(payment, snapshot).refund
    for credit, amount in rest:
        _keep(order, credit, amount, staff_user)
    settle_order(order)
    item.refresh_from_db()
    if item.resolved_at is None:
        resolve_item(item, staff_user=staff_user, resolution=_resolution(order, refund, shares))


Share = tuple[Credit, Decimal, Decimal, RefundPart | None]
"""A credit, what of the order it stands for, how much of that is taken, and the part that made it, if one did."""


def _shares(order: Order, payment: Payment, snapshot: RefundSnapshot) -> list[Share]:
    """Which credits give way: first those that this payment became, then notes that only the order knows."""
    shares: list[Share] = []
    left = snapshot.amount - payment.refundable_amount
    made = payment.refund_parts.filter(channel=Channel.STORE_CREDIT, state=State.SUCCEEDED, credit__isnull=False)
    for part in made.select_related("refund", "credit").order_by("-pk"):
        if left > 0 and part.credit is not None:
            shares.append((part.credit, part.amount, min(left, part.amount), part))
            left -= shares[-1][2]
    if left > 0:
        raise RefundError(
            _("No credit that this payment became can make up for %(amount)s. Finance can settle it with a note.")
            % {"amount": format_money(left, order.currency)}
        )
    gained = sum((take for _credit, _amount, take, _part in shares), ZERO)
    left = snapshot.amount - (order.refundable_amount + gained)
    notes = order.issued_credits.filter(refund__isnull=True, kind=Credit.Kind.REFUND)
    for credit in notes.exclude(status=Credit.Status.VOIDED).order_by("-pk"):
        if left > 0:
            shares.append((credit, credit.amount, min(left, credit.amount), None))
            left -= shares[-1][2]
    return shares


def _take(
    order: Order, credit: Credit, take: Decimal, part: RefundPart | None, snapshot: RefundSnapshot, staff_user: Any
) -> None:
    """Take ``take`` off one credit, as far as it is unspent, and free what it stood for."""
    credit.refresh_from_db()
    taken = min(take, credit.remaining_amount)
    _lower(order, credit, taken, snapshot, staff_user)
    if part is not None:
        _end_part(order, part, part.amount - take, staff_user)
    else:
        # The note counts as refunded by itself; from now on only what is kept of it does, as a refund of its own.
        Credit.objects.filter(pk=credit.pk).update(kind=Credit.Kind.GOODWILL)
    if spent := take - taken:
        open_item(
            OpenItem.Kind.CREDIT_SPENT,
            f"credit:{credit.pk}:{snapshot.id}",
            conference=order.conference,
            order=order,
            facts={"amount": str(spent), "currency": credit.currency, "why": TAKEN_BACK},
        )


def _lower(order: Order, credit: Credit, amount: Decimal, snapshot: RefundSnapshot, staff_user: Any) -> None:
    if not amount:
        return
    CreditEntry.objects.create(
        credit=credit,
        kind=CreditEntry.Kind.VOIDED,
        amount=-amount,
        order=order,
        actor=staff_user,
        reason=_("Refunded at Stripe as well, %(id)s") % {"id": snapshot.id},
    )
    credit.refresh_from_db()
    if not credit.remaining_amount:
        credit.status = Credit.Status.VOIDED
        credit.save(update_fields=["status", "updated_at"])
    facts = {"amount": amount, "currency": credit.currency, "credit": credit.number}
    record(order, "credit_taken_back", actor=staff_user, facts=facts)


def _end_part(order: Order, part: RefundPart, kept: Decimal, staff_user: Any) -> None:
    """End the part that became credit; what of it stays credit goes on as a refund of its own."""
    part.state, part.settled_at, part.failure_reason = State.FAILED, timezone.now(), TAKEN_BACK
    part.save(update_fields=["state", "settled_at", "failure_reason"])
    settle_refund(order, part.refund, actor=staff_user)
    if kept and part.credit is not None:
        _keep_on(order, part.payment, part.credit, kept, staff_user, retry_of=part.refund)


def _keep(order: Order, credit: Credit, amount: Decimal, staff_user: Any) -> None:
    """What is kept of a note that no part stands for, over the payments that have room for it."""
    for payment in order.payments.filter(refundable_amount__gt=0).order_by("pk"):
        share = min(amount, payment.refundable_amount)
        if share > 0:
            _keep_on(order, payment, credit, share, staff_user, retry_of=None)
            amount -= share


def _keep_on(
    order: Order, payment: Payment, credit: Credit, amount: Decimal, staff_user: Any, *, retry_of: Refund | None
) -> None:
    refund = Refund.objects.create(
        order=order,
        amount=amount,
        currency=order.currency,
        destination=Refund.Destination.CREDIT,
        state=State.SUCCEEDED,
        reason=_("The rest of %(credit)s stays credit") % {"credit": credit.number},
        retry_of=retry_of,
        requested_by=staff_user,
    )
    RefundPart.objects.create(
        refund=refund,
        payment=payment,
        channel=Channel.STORE_CREDIT,
        amount=amount,
        currency=order.currency,
        state=State.SUCCEEDED,
        credit=credit,
        settled_at=timezone.now(),
    )


def _resolution(order: Order, refund: Refund, shares: list[Share]) -> str:
    taken = sum((take for _credit, _amount, take, _part in shares), ZERO)
    numbers = ", ".join(credit.number for credit, *_rest in shares)
    values = {"amount": format_money(taken, order.currency), "credits": numbers, "number": refund.number}
    if not shares:
        return _("There was room by now; it is in the books as %(number)s.") % values
    return _("%(amount)s taken back from %(credits)s; it is in the books as %(number)s.") % values
