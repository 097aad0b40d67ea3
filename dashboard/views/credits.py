"""Store credit: look it up, pay an order with it, give, correct and withdraw it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.access import current_conference, get_order_or_404, put_on_desk, requires
from dashboard.credits.answers import answer_change, is_fragment, new_nonce
from dashboard.credits.display import credit_row
from dashboard.credits.file import credits_csv, credits_file_name
from dashboard.credits.panels import apply_context, change_context, credit_context, issue_context, preview_context
from dashboard.forms.credit import AdjustForm, ApplyForm, ExtendForm, IssueForm, ReasonForm
from dashboard.lists.export import csv_file
from dashboard.lists.paging import KeysetPage
from dashboard.lists.unread import Asked, refused
from dashboard.templatetags.desk import person
from dashboard.views.attendees import attendee_place, people_context
from registration.models import Conference, Credit, Order, Payment
from registration.money import ZERO, format_money
from registration.services.credit import CreditService
from registration.services.errors import CreditIssuedBefore, RefundError, StaleBalance, StaleCredit
from registration.services.refund import RefundService
from registration.statement import LISTED_STATES, held_in, in_state


@require_safe
@requires("registration.view_credit")
def credit_list(request: HttpRequest) -> HttpResponse:
    """Find an attendee; below, the conference's latest credits."""
    conference = current_conference(request)
    asked = Asked(request)
    state = asked.choice("state", LISTED_STATES, _("State"))
    field = "expires_at" if state == "expiring" else "id"
    credits = in_state(conference, state).select_related("conference", "user", "source_order")
    page = asked.page(credits, field, descending=field == "id")
    held = _held(credits, conference) if state == "expiring" and page.rows else ""
    context = {"conference": conference, "held": held, "unread": asked.unread, **_listed(page, state)}
    if is_fragment(request):
        return render(request, "dashboard/credits/_table.html", context)
    return render(request, "dashboard/credits/list.html", context | people_context(request))


@require_safe
@requires("registration.view_credit")
@requires("registration.export_orders")
def credit_export(request: HttpRequest) -> HttpResponseBase:
    """Hand out exactly the credits that the same address asks for, as a file."""
    conference = current_conference(request)
    asked = Asked(request)
    state = asked.choice("state", LISTED_STATES, _("State"))
    if asked.unread:
        return refused(request, asked.unread, reverse("credit_list"))
    return csv_file(request, credits_csv(in_state(conference, state), conference), credits_file_name(conference))


def _held(credits: QuerySet[Credit], conference: Conference) -> str:
    amount, holders = held_in(credits)
    text = ngettext("%(amount)s held by %(count)s attendee", "%(amount)s held by %(count)s attendees", holders)
    return text % {"amount": format_money(amount, conference.currency), "count": number_format(holders)}


def _listed(page: KeysetPage[Credit], state: str) -> dict[str, Any]:
    labels = _state_labels()
    return {
        "credits": [credit_row(credit) for credit in page.rows],
        "list_title": labels[state][1],
        "export_url": _list_url("credit_export", state=state),
        "chips": [
            {"key": key or "all", "label": label, "url": _list_url(state=key), "current": key == state}
            for key, (label, _title) in labels.items()
        ],
        "newer_url": _list_url(state=state, before=page.before) if page.before else "",
        "older_url": _list_url(state=state, after=page.after) if page.after else "",
    }


def _state_labels() -> dict[str, tuple[str, str]]:
    """Words of each chip, and the heading over what it lists."""
    return {
        "": (_("All"), _("Latest credits")),
        "available": (_("Available"), _("Credits that can be spent")),
        "expiring": (_("Expiring soon"), _("Credits expiring in the next 30 days")),
        "used": (_("Used"), _("Used credits")),
        "expired": (_("Expired"), _("Expired credits")),
        "voided": (_("Voided"), _("Voided credits")),
        "paid_out": (_("Paid back"), _("Notes of refunds that were paid back")),
    }


def _list_url(page: str = "credit_list", **query: str) -> str:
    given = urlencode({key: value for key, value in query.items() if value})
    return reverse(page) + (f"?{given}" if given else "")


@require_safe
@requires("registration.view_credit")
def credit_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one credit and every movement of it."""
    return render(request, "dashboard/credits/detail.html", credit_context(request, _credit(request, pk)))


def _credit(request: Any, pk: int) -> Credit:
    """The credit, unless it is unknown or of a conference the user cannot see."""
    credits: Any = Credit.objects.visible_to(request.user)
    credit: Credit = get_object_or_404(
        credits.select_related("conference", "user", "source_order", "refund", "issued_by"), pk=pk
    )
    put_on_desk(request, credit.conference)
    return credit


@require_http_methods(["GET", "HEAD", "POST"])
@requires("registration.apply_credit")
def credit_apply(request: HttpRequest, reference: str) -> HttpResponse:
    """Offer the attendee's credits for a pending order; on submit, pay it from those ticked."""
    order = get_order_or_404(request, reference)
    put_on_desk(request, order.conference)
    if request.method != "POST":
        return _apply_panel(request, order, ApplyForm(order=order))
    form = ApplyForm(request.POST, order=order)
    if "preview" in request.POST:
        return _apply_preview(request, order, form)
    if not form.is_valid():
        return _apply_panel(request, order, form, status=422)
    data = form.cleaned_data
    try:
        payments = RefundService.apply_credits(
            list(data["credits"]),
            order,
            staff_user=request.user,
            amount=data["amount"],
            balance_seen=data["due_seen"],
        )
    except StaleBalance as error:
        fresh = get_order_or_404(request, reference)
        return _apply_panel(request, fresh, ApplyForm(order=fresh), status=409, problem=error.sentence)
    except RefundError as error:
        return _apply_panel(request, order, form, status=422, problem=error.sentence)
    return _applied(request, order, payments)


def _apply_panel(
    request: HttpRequest, order: Order, form: ApplyForm, *, status: int = 200, problem: str = ""
) -> HttpResponse:
    template = "dashboard/credits/_apply.html" if is_fragment(request) else "dashboard/credits/apply.html"
    return render(request, template, apply_context(order, form, problem=problem), status=status)


def _apply_preview(request: HttpRequest, order: Order, form: ApplyForm) -> HttpResponse:
    """Answer what would happen, changing nothing; other ticks bring the most they pay, unless an amount was typed."""
    if not is_fragment(request):
        return _apply_panel(request, order, form)
    resets = request.POST["preview"] == "credits" and not form.has_typed_amount
    context = preview_context(form, resets_amount=resets)
    return render(request, "dashboard/credits/_apply_preview.html", context | {"alone": True})


def _applied(request: HttpRequest, order: Order, payments: list[Payment]) -> HttpResponse:
    amount = format_money(sum((payment.amount for payment in payments), ZERO), order.currency)
    order.refresh_from_db()
    headline = _("%(amount)s credit applied to %(order)s") % {"amount": amount, "order": order.reference}
    messages.success(request, f"{headline}\n{_what_is_left(order)}")
    return answer_change(
        request,
        attendee=order.user,
        conference=order.conference,
        order=order,
        back=reverse("order_detail", args=[order.reference]),
    )


def _what_is_left(order: Order) -> str:
    name = person(order.user)
    if order.status == Order.Status.PAID:
        return _("%(name)s, paid in full.") % {"name": name}
    return _("%(name)s, %(due)s still due.") % {"name": name, "due": format_money(order.due_amount, order.currency)}


@require_http_methods(["GET", "HEAD", "POST"])
@requires("registration.issue_credit")
def credit_issue(request: HttpRequest, pk: int) -> HttpResponse:
    """Offer the form for goodwill credit; on submit, issue it."""
    attendee, conference, _places = attendee_place(request, pk)
    if request.method != "POST":
        return _panel(request, issue_context(IssueForm(conference=conference), attendee, new_nonce()))
    form, nonce = IssueForm(request.POST, conference=conference), request.POST.get("nonce", "")
    if "preview" in request.POST:
        return _preview(request, issue_context(form, attendee, nonce))
    if not form.is_valid():
        return _panel(request, issue_context(form, attendee, nonce), status=422)
    data = form.cleaned_data
    try:
        credit = CreditService.issue(
            attendee,
            conference,
            amount=data["amount"],
            reason=data["reason"],
            expires_at=data["expires_on"],
            staff_user=request.user,
            nonce=nonce or None,
        )
    except CreditIssuedBefore as error:
        fresh = IssueForm(conference=conference)
        return _panel(request, issue_context(fresh, attendee, new_nonce(), problem=error.sentence), status=409)
    except RefundError as error:
        return _panel(request, issue_context(form, attendee, new_nonce(), problem=error.sentence), status=422)
    facts = {"amount": format_money(credit.amount, credit.currency), "name": person(attendee), "number": credit.number}
    messages.success(request, _("%(amount)s credit issued to %(name)s") % facts + "\n" + _("%(number)s.") % facts)
    back = f"{reverse('attendee_detail', args=[pk])}?{urlencode({'conference': conference.slug})}"
    return answer_change(request, attendee=attendee, conference=conference, back=back)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("registration.adjust_credit")
def credit_adjust(request: HttpRequest, pk: int) -> HttpResponse:
    """Offer to correct what is left of a credit; on submit, add the correction."""
    credit = _credit(request, pk)
    form = AdjustForm(request.POST if request.method == "POST" else None, credit=credit)
    if request.method != "POST":
        return _panel(request, change_context(form, credit, "adjust"))
    if "preview" in request.POST:
        return _preview(request, change_context(form, credit, "adjust"))
    if not form.is_valid():
        return _panel(request, change_context(form, credit, "adjust"), status=422)
    data = form.cleaned_data
    try:
        credit = CreditService.adjust(
            credit, amount=form.delta, reason=data["reason"], staff_user=request.user, left_seen=data["left_seen"]
        )
    except StaleCredit as error:
        credit.refresh_from_db()
        fresh = AdjustForm(credit=credit, initial={"reason": data["reason"]})
        return _panel(request, change_context(fresh, credit, "adjust", problem=error.sentence), status=409)
    except RefundError as error:
        return _panel(request, change_context(form, credit, "adjust", problem=error.sentence), status=422)
    facts = {"number": credit.number, "left": format_money(credit.remaining_amount, credit.currency)}
    messages.success(request, _("%(number)s adjusted") % facts + "\n" + _("%(left)s is left now.") % facts)
    return _credit_changed(request, credit)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("registration.adjust_credit")
def credit_void(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why a credit should be withdrawn; on submit, take what is left."""
    credit = _credit(request, pk)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method != "POST":
        return _panel(request, change_context(form, credit, "void"))
    if not form.is_valid():
        return _panel(request, change_context(form, credit, "void"), status=422)
    facts = {"number": credit.number, "left": format_money(credit.remaining_amount, credit.currency)}
    try:
        CreditService.void(credit, reason=form.cleaned_data["reason"], staff_user=request.user)
    except RefundError as error:
        return _panel(request, change_context(form, credit, "void", problem=error.sentence), status=422)
    messages.success(request, _("%(number)s voided") % facts + "\n" + _("%(left)s was withdrawn.") % facts)
    return _credit_changed(request, credit)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("registration.adjust_credit")
def credit_extend(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask until when a credit shall last; on submit, let it."""
    credit = _credit(request, pk)
    form = ExtendForm(request.POST if request.method == "POST" else None, credit=credit)
    if request.method != "POST":
        return _panel(request, change_context(form, credit, "extend"))
    if not form.is_valid():
        return _panel(request, change_context(form, credit, "extend"), status=422)
    data = form.cleaned_data
    try:
        credit = CreditService.extend(
            credit, expires_at=data["expires_on"], reason=data["reason"], staff_user=request.user
        )
    except RefundError as error:
        return _panel(request, change_context(form, credit, "extend", problem=error.sentence), status=422)
    until = _("It can be used until %(day)s.") % {"day": credit_row(credit)["expires"]}
    detail = until if credit.expires_at else _("It does not expire any more.")
    messages.success(request, _("%(number)s extended") % {"number": credit.number} + f"\n{detail}")
    return _credit_changed(request, credit)


def _preview(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Answer what would happen, changing nothing."""
    if not is_fragment(request):
        return _panel(request, context | {"problem": ""})
    return render(request, "dashboard/credits/_change_preview.html", context | {"alone": True})


def _panel(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Draw the form in the drawer, or alone on a page."""
    template = context["piece"] if is_fragment(request) else "dashboard/credits/change.html"
    return render(request, template, context, status=status)


def _credit_changed(request: HttpRequest, credit: Credit) -> HttpResponse:
    back = reverse("credit_detail", args=[credit.pk])
    return answer_change(request, attendee=credit.user, conference=credit.conference, back=back)
