"""The third step of a refund, shared by the desk, the resolver and Stripe's events: record what became of a part.

States move only by the table in ``money.md``; everything that follows from a state (credit notes, the order's
status, open items, history) follows here, under the order's lock, whoever brought the news.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.utils import timezone

from registration.models import OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import ACCEPTED, NOTED, OVER, UNDECIDED, URGENCY, WITH_STRIPE, State
from registration.money import ZERO
from registration.said import Said, Sentence, say
from registration.services.charged_back import show_charged_back
from registration.services.credit_notes import (
    CALLED_OFF,
    is_called_off,
    issue_credit_notes,
    return_to_credit,
    withdraw_credit_notes,
)
from registration.services.event_queue import queue_what_had_no_room
from registration.services.history import record
from registration.services.open_items import close_items, open_item
from registration.stripe_snapshots import RefundSnapshot

STRIPE_STATES = {
    "pending": State.PENDING,
    "requires_action": State.REQUIRES_ACTION,
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "canceled": State.CANCELED,
}
Channel = RefundPart.Channel
Kind = OpenItem.Kind
WAITING_IN: dict[Kind, tuple[State, ...]] = {
    Kind.UNSENT: (State.REQUESTED,),
    Kind.UNCONFIRMED: (State.UNCONFIRMED,),
    Kind.BALANCE_LOW: (State.PENDING,),
    Kind.SLOW: WITH_STRIPE,
}
"""The states of a part in which an item of each kind may stay open."""
NOT_POSSIBLE = "not_possible"
"""Our own failure reason for what was never sent, because it was not possible any more when its time had come."""
BALANCE_TOO_LOW = "insufficient_funds"
"""Stripe's pending reason for a refund that waits until the account is topped up."""


def apply_snapshot(part: RefundPart, snapshot: RefundSnapshot, *, actor: Any = None) -> bool:
    """Record what Stripe says about one part.

    A status that Stripe adds in future counts as pending: it has the refund, and only ``failed`` and ``canceled``
    give money back.

    Args:
        part: Only its key is trusted.
        snapshot: Its refund as Stripe has it now.
        actor: Who brought it about, when that was somebody at the desk.

    Returns:
        Whether the state changed; late and repeated news change nothing.
    """
    facts: dict[str, Any] = {
        "stripe_refund_id": snapshot.id,
        "stripe_status": snapshot.status,
        "failure_reason": snapshot.failure_reason,
        "pending_reason": snapshot.pending_reason,
        "trace_reference": snapshot.trace_reference,
        "stripe_request_id": snapshot.request_id,
        "act_by": snapshot.act_by,
    }
    kept = {name: value for name, value in facts.items() if value or name == "pending_reason"}
    return move_part(part, STRIPE_STATES.get(snapshot.status, State.PENDING), actor=actor, **kept)


@transaction.atomic
def move_part(
    part: RefundPart,
    state: str,
    *,
    refusal: Sentence = "",
    actor: Any = None,
    only_from: Collection[str] = tuple(State),
    **facts: Any,
) -> bool:
    """Move one part to ``state`` if the table allows it, and settle all that follows.

    Args:
        part: Only its key is trusted; the row is read again under the order's lock.
        state: Where it should stand.
        refusal: Why it failed, for staff.
        actor: Who did it; ``None`` for Stripe.
        only_from: The states from which this news may move it, of those the table allows.
        **facts: Columns of the part to store beside the state.

    Returns:
        Whether the state changed.
    """
    order = Order.objects.select_for_update(of=("self",), no_key=True).get(refunds__parts=part.pk)
    fresh = RefundPart.objects.select_related("refund", "payment").get(pk=part.pk)
    before = fresh.state
    moves = before in only_from and fresh.may_become(state)
    if moves:
        fresh.state = state
        fresh.settled_at = timezone.now()
        note_acceptance(fresh)
    if moves or before == state:
        for name, value in facts.items():
            setattr(fresh, name, value)
        fresh.save(update_fields=["state", "accepted_at", "settled_at", *facts])
        keep_waiting_items(order, fresh)
    if moves:
        _after_move(order, fresh, before, refusal, actor)
    return moves


def note_acceptance(part: RefundPart) -> None:
    """Keep when a part first left: the books date it by that, whatever becomes of it."""
    if part.state in ACCEPTED and part.accepted_at is None:
        part.accepted_at = part.settled_at


def _after_move(order: Order, part: RefundPart, before: str, refusal: Sentence, actor: Any) -> None:
    """What a changed part means for its refund, the credits, the order and the people."""
    refund = part.refund
    refund.refusal = refusal or refund.refusal
    _record_move(order, part, refusal, actor)
    if part.state in OVER:
        _part_came_back(order, part, was_noted=before in NOTED)
    settle_refund(order, refund, actor=actor)
    settle_order(order)


def settle_refund(order: Order, refund: Refund, *, actor: Any = None) -> None:
    """Carry out the parts that wait for Stripe's answer, issue the credit note, set the refund's state."""
    parts = list(refund.parts.select_related("payment").order_by("pk"))
    stripe_parts = [part for part in parts if part.channel == Channel.STRIPE]
    if not any(part.state in UNDECIDED for part in stripe_parts):
        refused = bool(stripe_parts) and all(part.state in OVER for part in stripe_parts)
        for part in parts:
            if part.channel != Channel.STRIPE and part.state == State.REQUESTED:
                _carry_out(order, part, refused=refused)
        if not any(part.state in UNDECIDED for part in parts):
            issue_credit_notes(order, refund, [part for part in parts if part.state in NOTED])
    states = {part.state for part in parts}
    refund.state = next(state for state in URGENCY if state in states)
    refund.save(update_fields=["state", "refusal", "updated_at"])


def _carry_out(order: Order, part: RefundPart, *, refused: bool) -> None:
    """Do what needs no Stripe, unless Stripe refused the rest of the same decision."""
    if refused:
        part.state = State.CANCELED
    elif part.channel == Channel.MANUAL:
        part.state = State.AWAITING_TRANSFER
        _ask_for_transfer(order, part)
    else:
        part.state = State.SUCCEEDED
        if part.channel == Channel.CREDIT_RETURN:
            return_to_credit(order, part)
    part.settled_at = timezone.now()
    note_acceptance(part)
    part.save(update_fields=["state", "accepted_at", "settled_at", "credit"])
    keep_waiting_items(order, part)


def _ask_for_transfer(order: Order, part: RefundPart) -> None:
    open_item(
        OpenItem.Kind.MANUAL_TRANSFER,
        f"part:{part.pk}",
        conference=order.conference,
        order=order,
        refund=part.refund,
        payment=part.payment,
        facts=part_facts(part) | {"part": part.pk},
    )


def _record_move(order: Order, part: RefundPart, refusal: Sentence, actor: Any) -> None:
    record(
        order,
        f"refund_part_{part.state}",
        actor=actor,
        refund=part.refund,
        facts={
            "amount": part.amount,
            "currency": part.currency,
            "instrument": part.payment.tender,
            "cause": refusal or part.failure_reason,
            **({"channel": part.channel} if part.channel == Channel.MANUAL else {}),
        },
    )


def keep_waiting_items(order: Order, part: RefundPart) -> None:
    """An item while the outcome is unknown or the Stripe balance is too low; none that says what is no longer so."""
    subject = f"part:{part.pk}"
    says = {Kind.UNCONFIRMED: part.state == State.UNCONFIRMED, Kind.BALANCE_LOW: waits_for_balance(part)}
    over = []
    for kind, states in WAITING_IN.items():
        if says.get(kind):
            about: dict[str, Any] = {"order": order, "refund": part.refund, "payment": part.payment}
            open_item(kind, subject, conference=order.conference, facts=part_facts(part), **about)
        elif part.state not in states or kind in says:
            over.append(kind)
    if over:
        close_items(over, subject, conference=order.conference, resolution=_outcome(part))


def _outcome(part: RefundPart) -> Said:
    """How a part that waited came to its end, for the item that said so."""
    if part.failure_reason == NOT_POSSIBLE:
        return say("not_sent")
    return say("answered" if part.channel == Channel.STRIPE else "carried_out", state=part.state)


def waits_for_balance(part: RefundPart) -> bool:
    """Whether Stripe holds a part back until its balance is topped up."""
    return part.state == State.PENDING and part.pending_reason == BALANCE_TOO_LOW


def part_facts(part: RefundPart) -> dict[str, str]:
    """What an item about a part needs; the amount in major units."""
    return {"amount": str(part.amount), "currency": part.currency}


def _part_came_back(order: Order, part: RefundPart, *, was_noted: bool) -> None:
    """Withdraw the credit that came with it, and keep the failure open until somebody settles it.

    A refund that was cancelled is nobody's debt, unless it tried a failed one again: its failure was settled by it.
    """
    if was_noted:
        withdraw_credit_notes(order, part)
    queue_what_had_no_room(order)
    if part.state == State.FAILED or part.refund.retry_of_id is not None:
        open_item(
            OpenItem.Kind.FAILED,
            f"part:{part.pk}",
            conference=order.conference,
            order=order,
            refund=part.refund,
            payment=part.payment,
            facts=part_facts(part) | {"cause": _cause(part)},
        )


def _cause(part: RefundPart) -> str:
    """Why money is with us again, as ``cause_in_words`` knows it."""
    return CALLED_OFF if is_called_off(part) else part.failure_reason or part.state


def fail_unsent(order: Order, refund: Refund, why: Sentence) -> None:
    """End a refund of which nothing was sent or carried out. The caller holds the order's lock."""
    refund.parts.update(state=State.FAILED, settled_at=timezone.now(), failure_reason=NOT_POSSIBLE)
    refund.refusal = why
    for part in refund.parts.select_related("refund", "payment").order_by("pk"):
        keep_waiting_items(order, part)
        _record_move(order, part, why, actor=None)
        _part_came_back(order, part, was_noted=False)
    settle_refund(order, refund)
    settle_order(order)


def settle_order(order: Order) -> None:
    """Set payments' and the order's status from sums. The caller holds the order's lock."""
    for payment in Payment.objects.filter(order=order, status__in=Payment.CAPTURED).order_by("pk"):
        settle_payment(payment)
    order.refresh_from_db()
    status = order.settled_status
    if status != order.status:
        order.status = status
        order.save(update_fields=["status", "updated_at"])
    if order.refunded_amount > ZERO:
        _close_surplus(order)


def _close_surplus(order: Order) -> None:
    """Settle what was owed back once it went back; when a refund fails later, that has an item of its own."""
    kinds = (OpenItem.Kind.OVERPAID, OpenItem.Kind.PAID_LATE)
    for item in OpenItem.objects.unresolved().filter(order=order, kind__in=kinds).select_related("payment"):
        if item.kind == OpenItem.Kind.PAID_LATE and item.payment is not None:
            gone = item.payment.refunded_amount >= item.payment.amount
        else:
            gone = order.paid_amount - order.refunded_amount <= order.total
        if gone:
            close_items(item.kind, item.subject, conference=order.conference, resolution=say("went_back"))


def settle_payment(payment: Payment) -> None:
    """REFUNDED when all of it went back, SUCCEEDED again when some came back; an item when it was charged back too."""
    if payment.amount <= ZERO or not payment.refund_parts.exists():
        return
    show_charged_back(payment)
    gone = payment.refunded_amount >= payment.amount
    status = Payment.Status.REFUNDED if gone else Payment.Status.SUCCEEDED
    if status != payment.status:
        payment.status = status
        payment.save(update_fields=["status"])
