"""What the needs-attention queue shows: each open item in words, with what settles it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.attention.comparisons import MEND
from dashboard.attention.failures import advice_on, can_be_paid_by_hand, part_key, repeat_in_words, why_never_again
from dashboard.forms.attention import (
    AcknowledgeForm,
    ItemForm,
    MatchForm,
    RepeatForm,
    SendBackForm,
    TakeBackForm,
    TransferForm,
)
from dashboard.lists.unread import Asked
from dashboard.names import attendee_name
from dashboard.refunds.panel import money
from dashboard.templatetags.desk import look_of
from registration.attention import amount_of, explanation, going_back
from registration.models import Conference, OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.said import say
from registration.sentences import sentence
from registration.services.approval import why_not_decide
from registration.services.attention import CAN_BE_ASKED, NOT_BY_WORDS, can_be_sent_back
from registration.services.repeats import Repeat, repeats_for, repeats_of
from registration.services.surplus import TOO_MUCH, left_for
from registration.services.twice import went_back_twice

Kind = OpenItem.Kind
SETTLE = "registration.refund_order"
REFUNDABLE = (Order.Status.PAID, Order.Status.PARTIALLY_REFUNDED)
ASKED = {
    State.REQUESTED: gettext_lazy("Tried just now. The sum stays reserved, and we keep trying."),
    State.UNCONFIRMED: gettext_lazy("Asked just now. The sum stays reserved, and we keep asking."),
    State.PENDING: gettext_lazy("Asked just now. Stripe has it, and its sum counts as refunded."),
    State.REQUIRES_ACTION: gettext_lazy("Asked just now. Stripe has it and waits for the attendee."),
}
RELATED = ("conference", "order__user", "order__conference", "refund", "payment", "resolved_by")


@dataclass(frozen=True)
class Way:
    """A page that settles an item, in the drawer unless it is a page of its own."""

    id: str
    label: str
    url: str
    is_main: bool = False
    in_drawer: bool = True


def list_context(request: HttpRequest, conference: Conference) -> dict[str, Any]:
    """One page of what waits, oldest first, with the chips to narrow it down."""
    asked = Asked(request)
    kind = asked.choice("kind", Kind.values, _("Kind"))
    waiting = OpenItem.objects.unresolved().filter(conference=conference)
    of_kind = waiting.filter(kind=kind) if kind else waiting
    page = asked.page(of_kind.select_related(*RELATED), "opened_at", descending=False)
    return {
        "conference": conference,
        "items": item_contexts(request, page.rows),
        "chips": chips(waiting, kind),
        "kind": kind,
        "unread": asked.unread,
        "is_paged": bool(page.before or page.after),
        "list_url": _url(),
        "here_url": _url(kind=kind),
        "earlier_url": _url(kind=kind, before=page.before) if page.before else "",
        "later_url": _url(kind=kind, after=page.after) if page.after else "",
        "summary": _("Oldest first"),
    }


def read_refunds(items: Sequence[OpenItem]) -> None:
    """Read at once what the items say of refunds: which takes back what an order got too much, why one waits."""
    prefetch_related_objects([item.order for item in items if item.order and item.kind in TOO_MUCH], "refunds")
    prefetch_related_objects([item.refund for item in items if item.refund and item.kind == Kind.UNSENT], "parts")
    # Whether anything of an order can still go back.
    prefetch_related_objects([item.order for item in items if item.order and item.kind == Kind.FAILED], "payments")


def chips(waiting: QuerySet[OpenItem], kind: str) -> list[dict[str, Any]]:
    """One chip per kind that waits, and the one that is shown even when nothing of it is left."""
    counts = dict(waiting.order_by("kind").values_list("kind").annotate(Count("pk")))
    shown = [each for each in Kind if each in counts or each == kind]
    every = {"label": _("All"), "url": _url(), "count": sum(counts.values()), "current": not kind}
    return [every] + [
        {
            "label": str(each.label),
            "url": _url(kind=each.value),
            "count": counts.get(each.value, 0),
            "current": each == kind,
        }
        for each in shown
    ]


def item_contexts(request: HttpRequest, items: Sequence[OpenItem]) -> list[dict[str, Any]]:
    """Several items, for which everything is asked at once."""
    read_refunds(items)
    repeats = repeats_for(items)
    return [item_context(request, item, repeats=repeats.get(item.pk, [])) for item in items]


def item_context(
    request: HttpRequest, item: OpenItem, form: ItemForm | None = None, *, repeats: Sequence[Repeat] | None = None
) -> dict[str, Any]:
    """One item: what happened, to whom, and what may be done about it by this user.

    Args:
        request: Whose role decides what is offered.
        item: With its order, refund and payment.
        form: The form that was sent and refused, to show again with its reasons.
        repeats: What may be the repeat of what, where that was asked for several items at once.
    """
    if repeats is None:
        read_refunds([item])
        repeats = repeats_of(item)
    may_settle = request.user.has_perm(SETTLE) and item.resolved_at is None
    offered = _forms(request, item, form, repeats) if may_settle else []
    return {
        "item": item,
        "element": f"item-{item.pk}",
        "amount": amount_of(item),
        "explanation": explanation(item),
        "advice": advice_on(item, repeats),
        "turned_down": turned_down(item),
        "repeats": [repeat_in_words(item, repeat) for repeat in repeats],
        "hue": look_of("open_item", item.kind)[0],
        "attendee": attendee_name(item.order) if item.order else "",
        "order_url": reverse("order_detail", args=[item.order.reference]) if item.order else "",
        "refunds": _refunds(request, item, repeats),
        "stripe_ids": _stripe_ids(item),
        "ways": _ways(request, item, repeats) if may_settle else [],
        "can_be_asked": may_settle and item.kind in CAN_BE_ASKED and item.refund is not None,
        "forms": [{"form": each, "open": each is form, "match": _match(each)} for each in offered],
        "settled_by": _settled_by(item),
        "withdraw_url": _withdraw_url(request, item) if may_settle else "",
        "settle_url": reverse("attention_settle", args=[item.pk]),
        "item_url": reverse("attention_item", args=[item.pk]),
    }


def turned_down(item: OpenItem) -> str:
    """Who rejected the refund that was last proposed for an item that still waits, and why; empty when nobody did."""
    refund = item.refund
    if item.kind not in TOO_MUCH or item.resolved_at is not None or refund is None or refund.state != State.REJECTED:
        return ""
    entry = refund.history.filter(kind="refund_rejected").select_related("actor", "order").last()
    return sentence(entry) if entry else ""


def _settled_by(item: OpenItem) -> Any:
    """Who settled it; where it settled itself because its own refund went out, who sent that. None for nobody."""
    if item.resolved_at is None or item.resolved_by or item.order is None or item.resolution != say("went_back"):
        return item.resolved_by
    return item.refund.requested_by if item.refund else None


def _withdraw_url(request: HttpRequest, item: OpenItem) -> str:
    """Where who proposed a refund takes it back while it waits; empty for everybody else."""
    refund = item.refund
    if item.kind != Kind.APPROVAL or refund is None or refund.requested_by_id != request.user.pk:
        return ""
    return reverse("refund_withdraw", args=[refund.pk])


def _forms(request: HttpRequest, item: OpenItem, sent: ItemForm | None, repeats: Sequence[Repeat]) -> list[ItemForm]:
    """The forms that settle it and that this user may send."""
    kinds = [kind for kind in SETTLES if (repeats if kind is RepeatForm else SETTLES[kind](item))]
    allowed = [kind for kind in kinds if not kind.permission or request.user.has_perm(kind.permission)]
    return [sent if isinstance(sent, kind) else _form(kind, item, repeats) for kind in allowed]


def _form(kind: type[ItemForm], item: OpenItem, repeats: Sequence[Repeat]) -> ItemForm:
    if issubclass(kind, (RepeatForm, TransferForm)):
        return kind(item=item, repeats=repeats)
    return kind(item=item)


def _match(form: ItemForm) -> dict[str, Any] | None:
    """What matching would do to the order, once a form was sent that names one."""
    if not isinstance(form, MatchForm) or form.preview is None:
        return None
    before, after = form.preview.before, form.preview.after
    rows = [
        (_("Status"), str(before.get_status_display()), str(after.get_status_display())),
        (_("Total"), money(before, before.total), money(after, after.total)),
        (_("Paid"), money(before, before.paid_amount), money(after, after.paid_amount)),
        (_("Refunded"), money(before, before.refunded_amount), money(after, after.refunded_amount)),
        (_("Due"), money(before, before.due_amount), money(after, after.due_amount)),
    ]
    return {
        "order": before,
        "attendee": attendee_name(before),
        "warnings": form.preview.warnings,
        "id": f"match-preview-{form.item.pk}",
        "rows": [{"label": label, "was": was if was != now else "", "now": now} for label, was, now in rows],
    }


SETTLES: dict[type[ItemForm], Callable[[OpenItem], bool]] = {
    RepeatForm: lambda item: bool(repeats_of(item)),
    MatchForm: lambda item: item.kind == Kind.UNMATCHED,
    TakeBackForm: went_back_twice,
    SendBackForm: can_be_sent_back,
    TransferForm: can_be_paid_by_hand,
    AcknowledgeForm: lambda item: item.kind not in NOT_BY_WORDS,
}
"""Which items each form is for, in the order in which they are offered."""


def _ways(request: HttpRequest, item: OpenItem, repeats: Sequence[Repeat]) -> list[Way]:
    """The pages that settle this kind of item."""
    order, refund = item.order, item.refund
    if item.kind == Kind.APPROVAL and refund:
        return _ways_of_approval(item, refund, request.user)
    if item.kind == Kind.FAILED and order and refund:
        return [] if why_never_again(item) else _ways_of_failure(item, order, refund, is_doubtful=bool(repeats))
    if item.kind == Kind.MANUAL_TRANSFER and (part := part_key(item)):
        url = reverse("manual_confirm", args=[part])
        return [Way(f"transfer-{item.pk}", _("Record the transfer…"), url, is_main=True)]
    if item.kind == Kind.DRIFT and not item.facts.get("beyond_repair") and request.user.has_perm(MEND):
        url = reverse("comparison")
        return [Way(f"compare-{item.pk}", _("See both sides…"), url, is_main=True, in_drawer=False)]
    if item.kind in TOO_MUCH and order and order.status in REFUNDABLE and left_for(item, order):
        url = reverse("refund_create", args=[order.reference])
        asked = urlencode({"item": item.pk})
        return [Way(f"difference-{item.pk}", _("Refund the difference…"), f"{url}?{asked}", is_main=True)]
    return []


def _ways_of_approval(item: OpenItem, refund: Refund, user: Any) -> list[Way]:
    if why_not_decide(refund, user):
        return []
    return [Way(f"decide-{item.pk}", _("Decide…"), reverse("refund_decide", args=[refund.pk]), is_main=True)]


def _ways_of_failure(item: OpenItem, order: Order, refund: Refund, *, is_doubtful: bool) -> list[Way]:
    """To try it again or to give credit, which comes first unless it may have been repeated at Stripe."""
    url = reverse("refund_create", args=[order.reference])
    again = urlencode({"retry_of": refund.pk})
    instead = urlencode({"retry_of": refund.pk, "destination": Refund.Destination.CREDIT})
    return [
        Way(f"again-{item.pk}", _("Try again…"), f"{url}?{again}"),
        Way(f"instead-{item.pk}", _("Give as credit instead…"), f"{url}?{instead}", is_main=not is_doubtful),
    ]


def still_waits(item: OpenItem) -> str:
    """What is said when Stripe was asked and the item stays: a title, and below it where the refund stands."""
    part = RefundPart.objects.filter(pk=part_key(item) or 0, refund=item.refund_id).first()
    state = part.state if part else item.refund.state if item.refund else State.UNCONFIRMED
    titles = {
        State.REQUESTED: _("It could not be sent yet"),
        State.UNCONFIRMED: _("Stripe has not said yet whether it has it"),
    }
    return f"{titles.get(State(state), _('Stripe has not settled it yet'))}\n{ASKED[State(state)]}"


def _refunds(request: HttpRequest, item: OpenItem, repeats: Sequence[Repeat]) -> list[Refund]:
    """The refunds that it is about, waits for or may belong to, for who may look at them."""
    if not request.user.has_perm("registration.view_refund"):
        return []
    pairs = [refund for repeat in repeats for refund in (repeat.part.refund, repeat.failure.refund)]
    own: list[Refund | None] = [*going_back(item)] or [item.refund]
    return list(dict.fromkeys(refund for refund in (*own, *pairs) if refund is not None))


def _stripe_ids(item: OpenItem) -> list[str]:
    """What finds it at Stripe."""
    names = ("refund_id", "dispute_id", "payment_intent_id", "charge_id")
    known = [str(item.facts.get(name) or "") for name in names]
    subject = item.subject if item.kind == Kind.UNMATCHED else ""
    return list(dict.fromkeys(each for each in [subject, *known] if each))


def first_url(kind: str) -> str:
    """The first page of what waits, of one kind or of all."""
    return _url(kind=kind if kind in Kind.values else "")


def _url(**query: str) -> str:
    asked = urlencode({key: value for key, value in query.items() if value})
    return reverse("attention_list") + (f"?{asked}" if asked else "")
