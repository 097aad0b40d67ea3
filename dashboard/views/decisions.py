"""What happens between deciding a refund and sending it: undo, send now, approve, reject, withdraw."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from dashboard.access import get_refund_or_404, requires
from dashboard.refunds.decisions import DecideForm, became_of, decide_context
from dashboard.refunds.outcome import answer_after_hold, answer_with_outcome, answer_withdrawn, is_htmx
from dashboard.refunds.panel import money
from registration.models import Refund
from registration.models.refund import State
from registration.services.approval import APPROVE, approve_refund, reject_refund, withdraw_refund
from registration.services.errors import RefundError, StaleBalance
from registration.services.undo import release_refund, undo_refund


@requires("registration.refund_order")
@require_POST
def refund_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a refund back that was decided and not sent yet."""
    refund = get_refund_or_404(request, pk)
    try:
        undo_refund(refund, staff_user=request.user)
    except RefundError as error:
        messages.warning(request, _("It was too late to undo") + f"\n{error.sentence}")
    else:
        text = _("No money moved, and the amount can be refunded again.")
        messages.success(request, (_("%(number)s was taken back") % {"number": refund.number}) + f"\n{text}")
    return answer_after_hold(request, refund)


@requires("registration.refund_order")
@require_POST
def refund_send(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a refund without waiting longer; the open page asks for this when the seconds are over."""
    refund = get_refund_or_404(request, pk)
    was_held = refund.is_held
    release_refund(refund)
    return answer_after_hold(request, refund, sent=was_held)


@requires(APPROVE)
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def refund_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a proposed refund with what it would do now; approve or reject it."""
    refund = get_refund_or_404(request, pk)
    if request.method != "POST":
        return _panel(request, decide_context(refund, request.user))
    if refund.state != State.AWAITING_APPROVAL:
        problem = _("%(what)s Nothing more was decided.") % {"what": became_of(refund)}
        return _panel(request, decide_context(refund, request.user, problem=problem), status=422)
    form = DecideForm(request.POST)
    if not form.is_valid():
        return _panel(request, decide_context(refund, request.user, form), status=422)
    try:
        return _decide(request, refund, form)
    except StaleBalance as stale:
        context = decide_context(get_refund_or_404(request, pk), request.user, changed=[stale.sentence])
        return _panel(request, context, status=409)
    except RefundError as error:
        context = decide_context(get_refund_or_404(request, pk), request.user, form, problem=error.sentence)
        return _panel(request, context, status=422)


def _decide(request: HttpRequest, refund: Refund, form: DecideForm) -> HttpResponse:
    action = request.POST.get("action", "")
    if action == "approve":
        approve_refund(refund, staff_user=request.user, balance_seen=form.cleaned_data["balance_seen"])
    elif action == "reject":
        reject_refund(refund, staff_user=request.user, reason=form.cleaned_data["reason"])
    else:
        raise Http404(_("There is no such decision."))
    return answer_with_outcome(request, refund)


@requires("registration.refund_order")
@require_POST
def refund_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one's own proposal back, from wherever it is shown."""
    refund = get_refund_or_404(request, pk)
    try:
        withdraw_refund(refund, staff_user=request.user)
    except RefundError as error:
        messages.warning(request, error.sentence)
    else:
        text = _("%(amount)s can be refunded again.") % {"amount": money(refund.order, refund.amount)}
        messages.success(request, _("Proposal withdrawn") + f"\n{text}")
    return answer_withdrawn(request, refund, request.POST.get("back", ""))


def _panel(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    in_drawer = is_htmx(request)
    if not in_drawer and context["refund"].state != State.AWAITING_APPROVAL and status == 200:
        return redirect("refund_detail", context["refund"].pk)
    template = "dashboard/refunds/_decide.html" if in_drawer else "dashboard/refunds/decide.html"
    return render(request, template, context | {"in_drawer": in_drawer}, status=status)
