"""What a row of the list of refunds and the page of one refund show."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q, prefetch_related_objects
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from dashboard.attention.failures import repeat_in_words
from dashboard.forms.manual import ManualForm
from dashboard.names import attendee_name
from dashboard.orders.callouts import TOLD_IN_FULL
from dashboard.orders.refunds import by_hand
from dashboard.refunds.held import held
from dashboard.refunds.lines import line_in_words
from dashboard.refunds.outcome import proposed_text, proposed_title, result_context
from dashboard.refunds.panel import money, paid_by, where
from registration.attention import explanation
from registration.models import HistoryEntry, Refund, RefundPart, RefundReason
from registration.models.refund import OVER, State
from registration.refund_ends import how_much_goes
from registration.refund_words import Step, TakenOn, holder, steps, taken_on_by
from registration.said import stripe_reason_in_words, why_refunded
from registration.sentences import sentence
from registration.services.approval import why_not_decide
from registration.services.repeats import repeats_for
from registration.ways import way_of

MANUAL = RefundPart.Channel.MANUAL


def refund_row(refund: Refund) -> dict[str, Any]:
    """One line of the list."""
    order = refund.order
    instruments = [part.payment.instrument for part in refund.parts.all()]
    return {
        "refund": refund,
        "url": reverse("refund_detail", args=[refund.pk]),
        "order_url": reverse("order_detail", args=[order.reference]),
        "attendee": attendee_name(order),
        "amount": money(order, refund.amount),
        "goes": how_much_goes(refund),
        "to": _to(refund) or ", ".join(dict.fromkeys(instruments)),
        "reason": why_refunded(refund),
    }


def _to(refund: Refund) -> str:
    """Where it goes when not all of it goes to a card or to a credit it came from. Reads ``refund.parts``."""
    if refund.destination == Refund.Destination.CREDIT:
        return _("Store credit")
    parts = list(refund.parts.all())
    if refund.destination != Refund.Destination.CARD or all(part.channel != MANUAL for part in parts):
        return ""
    places = (by_hand(part) if part.channel == MANUAL else part.payment.instrument for part in parts)
    return capfirst(", ".join(dict.fromkeys(places)))


def detail_context(request: HttpRequest, refund: Refund, *, manual: ManualForm | None = None) -> dict[str, Any]:
    """Everything known about one refund, and what can be done about it."""
    order = refund.order
    may_act = request.user.has_perm("registration.refund_order")
    wanted = RefundPart.objects.select_related("payment__credit", "credit", "payment__order")
    prefetch_related_objects([refund], Prefetch("parts", wanted))
    parts = list(refund.parts.all())
    history = order.history.filter(Q(refund=refund) | Q(refund__retry_of=refund))
    later = taken_on_by(refund) if any(part.state in OVER for part in parts) else None
    items = list(refund.open_items.unresolved().select_related("conference"))
    likely = repeats_for(items)
    repeats = [(item, repeat) for item in items for repeat in likely.get(item.pk, ())]
    return {
        **(outcome := result_context(refund, is_doubtful=bool(repeats))),
        "amount": money(order, refund.amount),
        "goes": how_much_goes(refund),
        "fee": money(order, refund.fee_amount) if refund.fee_amount else "",
        "attendee": attendee_name(order),
        "steps": [_step(step) for step in steps(refund)],
        "parts": [_part(part, may_act, manual, later) for part in parts],
        "lines": [
            {"description": line_in_words(line), "amount": money(order, line.amount)}
            for line in refund.lines.select_related("line_item").order_by("pk")
        ],
        "credits": [
            {"credit": credit, "amount": money(order, credit.amount), "left": money(order, credit.remaining_amount)}
            for credit in refund.credits.all()
        ],
        "retries": list(refund.retries.all()),
        "timeline": [
            {"text": _told_of(refund, entry), "meta": _when(entry.created_at)}
            for entry in history.select_related("actor", "refund").order_by("-position")
        ],
        "sent_to": _to(refund) or way_of(refund),
        "records_only": refund.destination == Refund.Destination.CARD,
        "reason": why_refunded(refund),
        "told": _told(refund, parts),
        "may_check": may_act and _can_be_asked(parts),
        "may_retry": may_act and outcome["may_go_again"] and any(part.sent_at for part in parts),
        "waiting": [explanation(item) for item in items if item.kind in TOLD_IN_FULL],
        "repeats": [
            {"text": repeat_in_words(item, repeat), "url": reverse("attention_item", args=[item.pk])}
            for item, repeat in repeats
        ],
        "shows_banner": refund.state in (*OVER, State.UNCONFIRMED),
        **_decision(request, refund, may_undo=may_act and _can_be_undone(parts)),
    }


def _told_of(refund: Refund, entry: HistoryEntry) -> str:
    """A sentence of its history; what is about a refund that tried it again names that one."""
    if entry.refund_id == refund.pk:
        entry.refund = refund  # Its parts were read.
    other, text = entry.refund, sentence(entry)
    if other is None or other.pk == refund.pk or other.number in text:
        return text
    return f"{other.number}: {text}"


def _told(refund: Refund, parts: list[RefundPart]) -> str:
    """What Stripe was told where that says more than the reason; empty where it says the same, or Stripe nothing."""
    is_plain = refund.stripe_reason == RefundReason.StripeReason.REQUESTED_BY_CUSTOMER or not refund.reason
    if is_plain or all(part.channel != RefundPart.Channel.STRIPE for part in parts):
        return ""
    return stripe_reason_in_words(refund.stripe_reason)


def _decision(request: HttpRequest, refund: Refund, *, may_undo: bool) -> dict[str, Any]:
    """What is still open about the decision itself, and who may do something about it."""
    waits = refund.state == State.AWAITING_APPROVAL
    why_not = why_not_decide(refund, request.user) if waits else ""
    return {
        "waits": waits,
        "why_not": why_not,
        "is_own": refund.requested_by_id == request.user.pk,
        "may_undo": may_undo,
        "held": held(refund) if refund.is_held else None,
        "undo_url": reverse("refund_undo", args=[refund.pk]),
        "decide_url": reverse("refund_decide", args=[refund.pk]),
        "withdraw_url": reverse("refund_withdraw", args=[refund.pk]),
        "proposed_title": proposed_title(refund),
        "proposed_text": proposed_text(refund),
    }


def _can_be_undone(parts: list[RefundPart]) -> bool:
    """Whether all of it was decided and none of it sent."""
    return all(part.state == State.REQUESTED and part.sent_at is None for part in parts)


def _part(part: RefundPart, may_act: bool, manual: ManualForm | None, later: TakenOn | None) -> dict[str, Any]:
    waits = part.state == State.AWAITING_TRANSFER and may_act
    same = manual is not None and manual.part.pk == part.pk
    form = (manual if same else ManualForm(part=part)) if waits or same else None
    facts = [
        (_("Stripe refund"), part.stripe_refund_id),
        (_("Stripe request"), part.stripe_request_id),
        (_("Stripe says"), part.pending_reason or part.failure_reason),
        (_("Reference") if part.channel == MANUAL else _("Trace number"), part.trace_reference),
        (_("Sent"), _when(part.sent_at)),
        (_("Settled"), _when(part.settled_at) if part.state in (*OVER, State.SUCCEEDED) else ""),
        (_("Times sent"), part.attempts or ""),
    ]
    return {
        "part": part,
        "amount": money(part.refund.order, part.amount),
        "where": where(part),
        "holder": holder(part, later),
        "facts": [(label, value) for label, value in facts if value],
        "credit": part.credit,
        "form": form,
        "confirm_url": reverse("manual_confirm", args=[part.pk]),
        "cancel_url": reverse("part_cancel", args=[part.pk]) if _waits(part) and may_act else "",
    }


def _waits(part: RefundPart) -> bool:
    """Whether it waits for the attendee at Stripe or for a transfer, the only times it can be cancelled."""
    if part.state == State.AWAITING_TRANSFER:
        return True
    return part.state == State.REQUIRES_ACTION and bool(part.stripe_refund_id)


def manual_context(form: ManualForm) -> dict[str, Any]:
    """One transfer to tick off, in the drawer."""
    order = form.part.refund.order
    return {
        "form": form,
        "refund": form.part.refund,
        "attendee": attendee_name(order),
        "amount": money(order, form.part.amount),
        "instrument": paid_by(form.part.payment),
        "confirm_url": reverse("manual_confirm", args=[form.part.pk]),
        "back_url": reverse("order_detail", args=[order.reference]),
    }


def _can_be_asked(parts: list[RefundPart]) -> bool:
    """Whether Stripe may know something of it that we do not; what fails after it succeeded, it tells by itself."""
    told = (*OVER, State.AWAITING_APPROVAL, State.SUCCEEDED)
    asked = (part for part in parts if part.channel == RefundPart.Channel.STRIPE and part.state not in told)
    return any(part.refund.hold_until is None for part in asked)


def _step(step: Step) -> dict[str, Any]:
    when = f" {_when(step.when)}" if step.when else ""
    return {"label": f"{step.label}{when}", "state": step.state}


def _when(moment: Any) -> str:
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else ""
