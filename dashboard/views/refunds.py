"""Refunds: the form, its preview, the list, one refund and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from dashboard.access import current_conference, get_order_or_404, get_refund_or_404, put_on_desk, requires
from dashboard.forms.fields import RELOAD
from dashboard.forms.manual import ManualForm
from dashboard.forms.refund import CUSTOM, ITEMS, RefundForm
from dashboard.lists.export import csv_file
from dashboard.lists.unread import refused
from dashboard.live import LivePage, tell_newest
from dashboard.refunds.again import opening_values
from dashboard.refunds.file import refunds_csv, refunds_file_name
from dashboard.refunds.list import RefundList
from dashboard.refunds.outcome import (
    answer_after_transfer,
    answer_with_outcome,
    answer_with_row,
    is_htmx,
    may_be_linked,
    verifying_text,
    verifying_title,
)
from dashboard.refunds.page import detail_context, manual_context
from dashboard.refunds.panel import offers_both, panel_context, preview_context
from dashboard.templatetags.desk import moment
from dashboard.waiting import waiting_at
from registration.models import Order, Refund, RefundPart
from registration.models.refund import OVER, UNDECIDED
from registration.refund_ends import how_much_goes
from registration.sentences import sentence
from registration.services.cancel import cancel_waiting
from registration.services.decide import changed_since
from registration.services.errors import RefundError, RefundOutcome, StaleBalance
from registration.services.manual import call_off_transfer, confirm_manual
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from registration.services.retries import failed_before, left_to_try
from registration.services.surplus import TOO_MUCH, left_for

KEPT_WHEN_STALE = ("destination", "reason", "note", "fee_kind", "fee_amount", "fee_percent", "retry_of", "item")
GOODWILL = "registration.refund_goodwill"


@requires("registration.refund_order")
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def refund_create(request: HttpRequest, reference: str) -> HttpResponse:
    """Offer the refund form for one order; on submit, refund it."""
    order = _order(request, reference)
    if request.method == "POST":
        return _submit(request, order)
    form = RefundForm(order=order, initial=_asked_for(request.GET, order))
    return _panel(request, form)


def _submit(request: HttpRequest, order: Order) -> HttpResponse:
    """Act once on a form; a second submit of the same one shows what the first did."""
    if earlier := _sent_before(order, request.POST.get("nonce", "")):
        return answer_with_outcome(request, earlier, repeated=True)
    form = _bound_form(request, order)
    if form.is_valid():
        if form.is_stale:
            # What was typed goes with numbers that are gone: nothing of it is planned, consented to or sent.
            return _changed(request, changed_since(order, form.cleaned_data["balance_seen"]))
        arguments = form.service_arguments()
        try:
            RefundService.create_refund(
                order,
                staff_user=request.user,
                propose=True,
                hold_seconds=order.conference.undo_seconds,
                **arguments,
            )
        except StaleBalance as stale:
            return _changed(request, stale)
        except RefundOutcome as outcome:
            if outcome.refund.order_id == order.pk:
                return answer_with_outcome(request, outcome.refund)
            # Another order's nonce can only be made up; what it did is not for these eyes.
            form.add_error("nonce", RELOAD)
        except RefundError as error:
            form.refuse(error.sentence)
        else:
            return answer_with_outcome(request, order.refunds.get(nonce=arguments["nonce"]))
    return _panel(request, form, status=422)


def _changed(request: HttpRequest, stale: StaleBalance) -> HttpResponse:
    """The form again with fresh numbers: reason and note are kept, the amount has to be chosen anew."""
    order = _order(request, stale.order.reference)
    kept = {name: request.POST[name] for name in KEPT_WHEN_STALE if name in request.POST}
    mode = ITEMS if order.line_items.exists() else CUSTOM
    asked = _for_item(order, kept["item"]) if kept.get("item") else {}
    form = RefundForm(order=order, initial=kept | {"mode": mode} | asked)
    return _panel(request, form, status=409, changed=[*_last_event(order), stale.sentence])


def _last_event(order: Order) -> list[str]:
    """Who did what to the order last: the refund that was faster, or what Stripe told us."""
    entry = order.history.filter(kind__in=("refund_requested", "refund_proposed")).last() or order.history.last()
    return [f"{sentence(entry)}, {moment(entry.created_at)}."] if entry else []


def _panel(request: HttpRequest, form: RefundForm, *, status: int = 200, changed: Sequence[str] = ()) -> HttpResponse:
    template = "dashboard/refunds/_panel.html" if is_htmx(request) else "dashboard/refunds/new.html"
    context = panel_context(request, form, changed=changed) | {"in_drawer": is_htmx(request)}
    context["linked"] = not request.GET and may_be_linked(request)
    return render(request, template, context, status=status)


@requires("registration.refund_order")
@require_POST
def refund_preview(request: HttpRequest, reference: str) -> HttpResponse:
    """Say what the form would do, computed by the code that would do it. Moves nothing."""
    form = _bound_form(request, _order(request, reference))
    form.full_clean()
    if not is_htmx(request):
        # Without a script this is a page; what is not filled in yet is not a mistake yet.
        return render(request, "dashboard/refunds/new.html", panel_context(request, form) | {"in_drawer": False})
    context = preview_context(form, request.user) | {"offers_both": offers_both(form.order, request.user)}
    return render(request, "dashboard/refunds/_preview_answer.html", context)


@requires("registration.view_refund")
@require_safe
@vary_on_headers("HX-Request")
def refund_list(request: HttpRequest) -> HttpResponse:
    """List the refunds of the conference on the desk, newest first."""
    conference = current_conference(request)
    refunds = RefundList(request, conference)
    # How far history has come is read with the counts and before the rows, so that nothing is missed.
    refunds.count_with_frame()
    if is_htmx(request):
        swap = render(request, "dashboard/refunds/_swap.html", {"refunds": refunds})
        swap["HX-Push-Url"] = refunds.address
        return tell_newest(swap, request, conference, "refunds")
    return render(request, "dashboard/refunds/list.html", {"refunds": refunds, "live": LivePage("refunds")})


@requires("registration.view_refund")
@requires("registration.export_orders")
@require_safe
def refund_export(request: HttpRequest) -> HttpResponseBase:
    """Hand out exactly the refunds that the same address asks for, as a file."""
    conference = current_conference(request)
    refunds = RefundList(request, conference)
    if refunds.unread:
        return refused(request, refunds.unread, refunds.url({}))
    return csv_file(request, refunds_csv(refunds.refunds(), conference), refunds_file_name(conference))


@requires("registration.view_refund")
@require_safe
def refund_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one refund: what was decided, where each part is, who has the money now."""
    refund = get_refund_or_404(request, pk)
    waiting_at(request, refund.order.conference)  # Before the rows.
    live = LivePage("order", refund.order.reference, "#refund-head,#refund-live")
    return render(request, "dashboard/refunds/detail.html", detail_context(request, refund) | {"live": live})


@requires("registration.refund_order")
@require_POST
def refund_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask Stripe now what became of a refund."""
    refund = resolve_refund(get_refund_or_404(request, pk))
    if refund.state in UNDECIDED:
        messages.warning(request, f"{verifying_title(refund)}\n{verifying_text(refund)}")
    else:
        level = messages.ERROR if refund.state in OVER else messages.SUCCESS
        text = _("%(number)s: %(state)s") % {"number": refund.number, "state": refund.get_state_display()}
        messages.add_message(request, level, text)
    return answer_with_row(request, refund) if is_htmx(request) else redirect("refund_detail", refund.pk)


@requires("registration.refund_order")
@require_POST
def part_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel at Stripe what waits for the attendee, or call off what waits for a transfer."""
    parts = RefundPart.objects.filter(refund__order__in=_orders(request)).select_related("refund")
    part = get_object_or_404(parts, pk=pk)
    cancel = call_off_transfer if part.channel == RefundPart.Channel.MANUAL else cancel_waiting
    try:
        cancel(part, staff_user=request.user)
    except RefundError as error:
        messages.error(request, error.sentence)
    else:
        text = _("The amount can be refunded again.")
        goes = how_much_goes(Refund.objects.get(pk=part.refund_id))
        what = _("%(number)s: %(state)s") if goes else _("%(number)s cancelled")
        messages.success(request, what % {"number": part.refund.number, "state": goes} + f"\n{text}")
    return redirect("refund_detail", part.refund_id)


@requires("registration.refund_order")
@require_http_methods(["GET", "HEAD", "POST"])
def manual_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Tick off a part that somebody paid back by hand, with the reference of the transfer."""
    parts = RefundPart.objects.filter(refund__order__in=_orders(request)).select_related("refund__order", "payment")
    part = get_object_or_404(parts, pk=pk)
    if request.method != "POST":
        return _manual(request, ManualForm(part=part))
    form = ManualForm(request.POST, part=part)
    if form.is_valid():
        try:
            confirm_manual(part, **form.cleaned_data, staff_user=request.user)
        except RefundError as error:
            form.add_error("reference", error.sentence)
        else:
            messages.success(request, _("Transfer recorded for %(number)s") % {"number": part.refund.number})
            return answer_after_transfer(request, part.refund)
    return _manual(request, form, status=422)


def _manual(request: HttpRequest, form: ManualForm, *, status: int = 200) -> HttpResponse:
    """The form of one transfer: in the drawer, else on the page of its refund."""
    if not is_htmx(request):
        refund = get_refund_or_404(request, form.part.refund_id)
        return render(
            request, "dashboard/refunds/detail.html", detail_context(request, refund, manual=form), status=status
        )
    return render(request, "dashboard/refunds/_manual.html", manual_context(form), status=status)


def _bound_form(request: HttpRequest, order: Order) -> RefundForm:
    """The form as sent; what the role may not do is refused before anything is looked at."""
    if request.POST.get("destination") == Refund.Destination.CARD_AND_CREDIT and not request.user.has_perm(GOODWILL):
        raise PermissionDenied(_("Paying out twice needs the Finance role."))
    return RefundForm(request.POST, order=order)


def _asked_for(query: QueryDict, order: Order) -> dict[str, Any]:
    """What a link asks the form to open with: ticked lines, or a failed refund to try again."""
    initial: dict[str, Any] = {}
    lines = [int(key) for key in query.getlist("lines") if key.isdecimal()]
    if lines:
        initial |= {"mode": ITEMS, "lines": lines}
    again = query.get("retry_of", "")
    failed = order.refunds.filter(pk=again).first() if again.isdecimal() else None
    if failed is not None:
        initial |= opening_values(order, failed)
    if asked := query.get("item", ""):
        initial |= _for_item(order, asked)
    if query.get("destination") in (Refund.Destination.CARD, Refund.Destination.CREDIT):
        initial["destination"] = query["destination"]
    return initial


def _for_item(order: Order, key: str) -> dict[str, Any]:
    """What is left at this moment of the money that an item is about; after a failure first what failed, once more."""
    items = order.open_items.filter(kind__in=TOO_MUCH).select_related("refund", "payment")
    item = get_object_or_404(items, pk=key if key.isdecimal() else 0)
    failed = failed_before(item.refund) if item.refund is not None else None
    left = left_for(item, order)
    amount = left if failed is None else min(left, left_to_try(failed))
    return {"mode": CUSTOM, "amount": amount, "retry_of": failed and failed.pk, "item": item.pk}


def _sent_before(order: Order, nonce: str) -> Refund | None:
    """The refund that this very form made, when it was sent before."""
    try:
        return order.refunds.filter(nonce=str(UUID(nonce))).first()
    except ValueError:
        return None


def _order(request: HttpRequest, reference: str) -> Order:
    order = get_order_or_404(request, reference)
    # The page's frame shows the order's own conference.
    put_on_desk(request, order.conference)
    return order


def _orders(request: HttpRequest) -> Any:
    return Order.objects.visible_to(request.user)
