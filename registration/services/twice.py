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
from registration.said import Said, say
from registration.services.credit_notes import used_and_not_shown
from registration.services.errors import RefundError
from registration.services.event_queue import queue_again
from registration.services.external import import_refund, state_of
from registration.services.history import record
from registration.services.open_items import open_item, resolve_item
from registration.services.retries import GAVE_WAY
from registration.services.settle import settle_order, settle_refund
from registration.stripe_gateway import StripeProblem, gateway_for
from registration.stripe_snapshots import RefundSnapshot

Channel = RefundPart.Channel


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


def rest_of(part: RefundPart, refund: Refund) -> Decimal:
    """What of a part that gave way stays credit: the sum of the refund of its own that it goes on as.

    Args:
        part: Of ``refund``.
        refund: Reads its ``retries`` with their parts.
    """
    if part.failure_reason != GAVE_WAY:
        return ZERO
    # Any other refund that tries it again is over a credit of its own.
    others = (other for retry in refund.retries.all() for other in retry.parts.all())
    same = (part.payment_id, part.credit_id)
    return sum((other.amount for other in others if (other.payment_id, other.credit_id) == same), ZERO)


def _settle(item: OpenItem, order: Order, payment: Payment, snapshot: RefundSnapshot, staff_user: Any) -> None:
    order = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    list(order.payments.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    locked = OpenItem.objects.select_for_update(no_key=True, of=("self",)).get(pk=item.pk)
    if locked.resolved_at is not None or not went_back_twice(locked):
        raise RefundError(_("This item has been settled already."))
    if state_of(snapshot) in OVER:
        resolve_item(item, staff_user=staff_user, resolution=say("came_back"))
        return
    payment.refresh_from_db()
    if snapshot.amount > order.refundable_amount:
        _give_notes_refunds(order, payment)
    shares = _shares(order, payment, snapshot)
    keys = [part.credit.pk for part, _take in shares if part.credit]
    list(Credit.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk").values_list("pk"))
    for part, take in shares:
        _recall(order, part, take, snapshot, staff_user)
        _end_part(order, part, part.amount - take, staff_user)
    refund = import_refund(payment, snapshot).refund
    settle_order(order)
    resolve_item(item, staff_user=staff_user, resolution=_resolution(order, refund, shares))


Share = tuple[RefundPart, Decimal]
"""A part that became credit, and how much of it gives way."""


def _give_notes_refunds(order: Order, payment: Payment) -> None:
    """Write down the refunds that notes made by hand stand for, so that they can give way like any other."""
    notes = order.issued_credits.filter(refund__isnull=True, kind=Credit.Kind.REFUND)
    for credit in notes.exclude(status=Credit.Status.VOIDED).order_by("pk"):
        refund = Refund.objects.create(
            order=order,
            amount=credit.amount,
            currency=order.currency,
            destination=Refund.Destination.CREDIT,
            state=State.SUCCEEDED,
            reason=say("by_hand"),
            requested_by_id=credit.issued_by_id,
        )
        Credit.objects.filter(pk=credit.pk).update(refund=refund)
        left = credit.amount
        others = order.payments.exclude(pk=payment.pk).filter(refundable_amount__gt=0).order_by("pk")
        for each in (Payment.objects.get(pk=payment.pk), *others):
            if (share := min(left, each.refundable_amount)) > 0:
                _write_part(refund, each, credit, share)
                left -= share


def _write_part(refund: Refund, payment: Payment, credit: Credit, amount: Decimal) -> None:
    RefundPart.objects.create(
        refund=refund,
        payment=payment,
        channel=Channel.STORE_CREDIT,
        amount=amount,
        currency=refund.currency,
        state=State.SUCCEEDED,
        credit=credit,
        settled_at=timezone.now(),
    )


def _shares(order: Order, payment: Payment, snapshot: RefundSnapshot) -> list[Share]:
    """Which parts of the payment that became credit give way, the newest first, until there is room."""
    shares: list[Share] = []
    payment.refresh_from_db()
    left = snapshot.amount - payment.refundable_amount
    made = payment.refund_parts.filter(channel=Channel.STORE_CREDIT, state=State.SUCCEEDED, credit__isnull=False)
    for part in made.select_related("refund", "credit", "payment").order_by("-pk"):
        if left > 0:
            shares.append((part, min(left, part.amount)))
            left -= shares[-1][1]
    if left > 0:
        raise RefundError(
            _("No credit that this payment became can make up for %(amount)s. Finance can settle it with a note.")
            % {"amount": format_money(left, order.currency)}
        )
    return shares


def _recall(order: Order, part: RefundPart, take: Decimal, snapshot: RefundSnapshot, staff_user: Any) -> None:
    """Take ``take`` off the part's credit; what is not there any more is borne by the house, and shown if spent."""
    credit = Credit.objects.get(refund_parts=part.pk)
    missing = take - min(take, credit.remaining_amount)
    spent = min(missing, used_and_not_shown(credit))
    if missing:
        why = say("spent_also_at_stripe" if spent == missing else "ended_also_at_stripe", id=snapshot.id)
        _enter(credit, CreditEntry.Kind.ADJUSTED, missing, order, staff_user, why)
    if spent:
        open_item(
            OpenItem.Kind.CREDIT_SPENT,
            f"credit:{credit.pk}:{snapshot.id}",
            conference=order.conference,
            order=order,
            facts={"amount": str(spent), "currency": credit.currency, "why": GAVE_WAY},
        )
    _enter(credit, CreditEntry.Kind.RECALLED, -take, order, staff_user, say("also_at_stripe", id=snapshot.id))
    credit.refresh_from_db()
    if not credit.remaining_amount:
        credit.status = Credit.Status.VOIDED
        credit.save(update_fields=["status", "updated_at"])
    if take > missing:
        facts = {"amount": take - missing, "currency": credit.currency, "credit": credit.number}
        record(order, "credit_taken_back", actor=staff_user, facts=facts)


def _enter(credit: Credit, kind: str, amount: Decimal, order: Order, staff_user: Any, reason: Said) -> None:
    CreditEntry.objects.create(credit=credit, kind=kind, amount=amount, order=order, actor=staff_user, reason=reason)


def _end_part(order: Order, part: RefundPart, kept: Decimal, staff_user: Any) -> None:
    """End the part that became credit; what of it stays credit goes on as a refund of its own."""
    part.state, part.settled_at, part.failure_reason = State.FAILED, timezone.now(), GAVE_WAY
    part.save(update_fields=["state", "settled_at", "failure_reason"])
    settle_refund(order, part.refund, actor=staff_user)
    if kept and part.credit is not None:
        refund = Refund.objects.create(
            order=order,
            amount=kept,
            currency=order.currency,
            destination=Refund.Destination.CREDIT,
            state=State.SUCCEEDED,
            reason=say("rest_stays", credit=part.credit.number),
            retry_of=part.refund,
            requested_by=staff_user,
        )
        _write_part(refund, part.payment, part.credit, kept)


def _resolution(order: Order, refund: Refund, shares: list[Share]) -> Said:
    taken = sum((take for _part, take in shares), ZERO)
    numbers = ", ".join(part.credit.number for part, _take in shares if part.credit)
    if not shares:
        return say("had_room", number=refund.number)
    return say("credit_recalled", amount=taken, currency=order.currency, credits=numbers, number=refund.number)
