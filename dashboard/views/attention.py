"""The needs-attention queue: what waits for a person, why, and what settles it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from dashboard.access import current_conference, put_on_desk, requires
from dashboard.attention.failures import part_key
from dashboard.attention.pages import RELATED, SETTLE, SETTLES, chips, item_context, list_context, still_waits
from dashboard.forms.attention import RELOAD, ItemForm, MatchForm, RepeatForm, SendBackForm, TakeBackForm, TransferForm
from dashboard.live import LivePage, tell_newest
from dashboard.refunds.outcome import is_htmx, proposed_text, proposed_title
from dashboard.waiting import waiting_at
from registration.attention import explanation
from registration.models import Conference, OpenItem, RefundPart
from registration.services.attention import acknowledge, check_now, send_back
from registration.services.errors import RefundError, RefundOutcome
from registration.services.manual import pay_by_hand_instead
from registration.services.match_preview import preview_match
from registration.services.repeats import settle_as_repeat
from registration.services.twice import take_credit_back
from registration.services.unmatched import match_to_order, order_named

FORMS: dict[str, type[ItemForm]] = {form.action: form for form in SETTLES}


@requires("registration.view_order")
@require_safe
@vary_on_headers("HX-Request")
def attention_list(request: HttpRequest) -> HttpResponse:
    """List what waits at the conference on the desk, oldest first."""
    conference = current_conference(request)
    waiting_at(request, conference)  # Before the rows, so that the page asks on from where they stand.
    context = list_context(request, conference)
    if is_htmx(request):
        return tell_newest(render(request, "dashboard/attention/_list.html", context), request, conference, "attention")
    return render(request, "dashboard/attention/list.html", context | {"live": LivePage("attention")})


@requires("registration.view_order")
@require_safe
def attention_item(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one item on a page of its own, settled or not."""
    return _page(request, _item(request, pk))


@requires(SETTLE)
@require_POST
@vary_on_headers("HX-Request")
def attention_settle(request: HttpRequest, pk: int) -> HttpResponse:
    """Do what was asked about one item; its row comes back as it stands then."""
    item = _item(request, pk)
    action = request.POST.get("action", "")
    if action == "check":
        return _check(request, item)
    if action not in FORMS:
        raise Http404(_("There is no such way to settle this."))
    form = FORMS[action](request.POST, item=item)
    if form.permission and not request.user.has_perm(form.permission):
        raise PermissionDenied
    if not form.is_valid():
        return _row(request, item, form, status=422)
    try:
        if isinstance(form, MatchForm) and not _is_confirmed(item, form):
            form.show(preview_match(item, reference=form.cleaned_data["reference"]))
            return _row(request, item, form)
        _carry_out(request, item, form)
    except RefundError as error:
        return _refused(request, _item(request, pk), form, error)
    return _settled(request, item)


def _is_confirmed(item: OpenItem, form: MatchForm) -> bool:
    """Whether what matching does was shown, and for the order that is named now."""
    said = form.cleaned_data
    return bool(said["confirmed"]) and said["confirmed"] == order_named(item, said["reference"]).reference


def _refused(request: HttpRequest, item: OpenItem, form: ItemForm, error: RefundError) -> HttpResponse:
    """Say why at the form, or as a message when the item, as it stands now, has no such form any more."""
    if item.resolved_at is None and SETTLES[type(form)](item):
        form.refuse(error.sentence)
        return _row(request, item, form, status=422)
    level = messages.WARNING if isinstance(error, RefundOutcome) else messages.ERROR
    messages.add_message(request, level, error.sentence)
    return _row(request, item, status=422)


def _carry_out(request: HttpRequest, item: OpenItem, form: ItemForm) -> None:
    """Call the one service that the form stands for."""
    staff_user, said = request.user, form.cleaned_data
    if isinstance(form, MatchForm):
        match_to_order(item, reference=said["reference"], staff_user=staff_user, seen=said["seen"])
    elif isinstance(form, RepeatForm):
        if form.chosen is None:
            raise RefundError(str(RELOAD))
        settle_as_repeat(form.chosen.failure, form.chosen.part.refund, staff_user=staff_user)
    elif isinstance(form, TakeBackForm):
        take_credit_back(item, staff_user=staff_user)
    elif isinstance(form, SendBackForm):
        send_back(item, staff_user=staff_user, amount_seen=said["amount"])
    elif isinstance(form, TransferForm):
        part = get_object_or_404(RefundPart, pk=part_key(item), refund=item.refund)
        pay_by_hand_instead(part, reference=said["reference"], staff_user=staff_user)
    else:
        acknowledge(item, note=said["note"], staff_user=staff_user)


def _check(request: HttpRequest, item: OpenItem) -> HttpResponse:
    """Ask Stripe; say when it is still open, so that the button is seen to have worked."""
    try:
        item = check_now(item)
    except RefundError as error:
        messages.error(request, error.sentence)
        return _answer(request, item)
    if item.resolved_at is None:
        messages.warning(request, still_waits(item))
        return _answer(request, item)
    return _settled(request, item)


def _settled(request: HttpRequest, item: OpenItem) -> HttpResponse:
    item = _item(request, item.pk)
    if item.resolved_at is None and item.refund is not None:  # A second person has to agree first.
        messages.info(request, f"{proposed_title(item.refund)}\n{proposed_text(item.refund)}")
    else:
        messages.success(request, _("Settled") + f"\n{explanation(item)} {item.resolution}")
    return _answer(request, item)


def _answer(request: HttpRequest, item: OpenItem) -> HttpResponse:
    """The fresh row in place, or without a script the list it is in."""
    return _row(request, item) if is_htmx(request) else redirect("attention_list")


def _is_page_of(request: HttpRequest, item: OpenItem) -> bool:
    """Whether what asks is the page of this item alone."""
    asking: str = request.htmx.current_url_abs_path or ""  # type: ignore[attr-defined]
    return asking.partition("?")[0] == reverse("attention_item", args=[item.pk])


def _row(request: HttpRequest, item: OpenItem, form: ItemForm | None = None, *, status: int = 200) -> HttpResponse:
    """One row, with the counts around it out of band."""
    if not is_htmx(request):
        return _page(request, item, form, status=status)
    waiting = OpenItem.objects.unresolved().filter(conference=item.conference)
    kind = request.POST.get("kind", "")
    # The page of one item draws no chips that could be renewed.
    renewed = [] if _is_page_of(request, item) else chips(waiting, kind)
    context = {"row": item_context(request, item, form), "chips": renewed, "kind": kind}
    return render(request, "dashboard/attention/_answer.html", context, status=status)


def _page(request: HttpRequest, item: OpenItem, form: ItemForm | None = None, *, status: int = 200) -> HttpResponse:
    return render(request, "dashboard/attention/item.html", {"row": item_context(request, item, form)}, status=status)


def _item(request: HttpRequest, pk: int) -> OpenItem:
    visible = OpenItem.objects.filter(conference__in=Conference.objects.visible_to(request.user))
    item = get_object_or_404(visible.select_related(*RELATED), pk=pk)
    # The page's frame shows the item's own conference.
    put_on_desk(request, item.conference)
    return item
