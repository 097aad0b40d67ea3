"""The comparison with Stripe: beginning one, watching it, and repairing what it found."""

from __future__ import annotations

from collections import Counter

from django.contrib import messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from dashboard.access import current_conference, put_on_desk, requires
from dashboard.attention.comparisons import (
    LOOK,
    MEND,
    agreement,
    difference_context,
    page_context,
    progress_context,
    result_context,
)
from dashboard.forms.comparison import ComparisonForm
from dashboard.refunds.outcome import is_htmx
from dashboard.templatetags.desk import lines_of
from registration.models import ComparisonRun, Conference, Difference, OpenItem
from registration.services.comparison.repair import repair_for, repair_now
from registration.services.comparison.run import begin
from registration.services.errors import RefundError
from registration.trial_balance import end_of, start_of

State = Difference.State
STOP_POLLING = 286
SECONDS_AT_ONCE = 8.0
"""How long repairing all may keep a request; what is left is repaired by pressing again."""


@requires(LOOK)
@require_safe
@vary_on_headers("HX-Request")
def comparison(request: HttpRequest) -> HttpResponse:
    """Show what the newest comparison of the conference on the desk found."""
    context = page_context(request, current_conference(request))
    template = "dashboard/comparison/_result.html" if is_htmx(request) else "dashboard/comparison/page.html"
    return render(request, template, context)


@requires(MEND)
@require_POST
def comparison_start(request: HttpRequest) -> HttpResponse:
    """Begin a comparison over a period; the worker carries it out."""
    conference = current_conference(request)
    form = ComparisonForm(request.POST)
    if form.is_valid():
        try:
            _begin(request, conference, form)
        except RefundError as error:
            messages.error(request, error.sentence)
        return redirect("comparison")
    return render(request, "dashboard/comparison/page.html", page_context(request, conference, form), status=422)


def _begin(request: HttpRequest, conference: Conference, form: ComparisonForm) -> None:
    since, until = form.cleaned_data["since"], form.cleaned_data["until"]
    begin(
        conference,
        since=start_of(since, conference) if since else None,
        until=end_of(until, conference) if until else None,
        staff_user=request.user,
        afresh=True,
    )
    text = _("What differs shows here once both sides were read.")
    messages.info(request, _("The comparison has begun") + f"\n{text}")


@requires(LOOK)
@require_safe
def comparison_progress(request: HttpRequest) -> HttpResponse:
    """How far the running comparison got; once there is none, what it found takes its place."""
    conference = current_conference(request)
    running = ComparisonRun.objects.filter(conference=conference, state=ComparisonRun.State.RUNNING).first()
    if running is None:
        context = page_context(request, conference)
        if found := agreement(request, conference):
            messages.success(request, _("Compared") + f"\n{found['text']}")
        return render(request, "dashboard/comparison/_finished.html", context, status=STOP_POLLING)
    return render(request, "dashboard/comparison/_progress.html", {"progress": progress_context(running)})


@requires(MEND)
@require_POST
@vary_on_headers("HX-Request")
def difference_repair(request: HttpRequest, pk: int) -> HttpResponse:
    """Repair one difference; its row comes back as it stands then."""
    visible = Difference.objects.filter(run__conference__in=Conference.objects.visible_to(request.user))
    difference = get_object_or_404(visible.select_related("run__conference", "order"), pk=pk)
    put_on_desk(request, difference.run.conference)
    newest = _newest_item(difference.run.conference)
    try:
        difference = repair_now(difference, staff_user=request.user)
        _tell(request, difference, _opened_after(newest, difference.run.conference))
    except RefundError as error:
        messages.error(request, error.sentence)
    if not is_htmx(request):
        return redirect("comparison")
    context = {"row": difference_context(request, difference), "result": result_context(request, difference.run)}
    return render(request, "dashboard/comparison/_answer.html", context)


@requires(MEND)
@require_POST
def comparison_repair(request: HttpRequest) -> HttpResponse:
    """Repair what is open, one after the other, as long as a person likes to wait."""
    runs = ComparisonRun.objects.filter(conference=current_conference(request), state=ComparisonRun.State.FINISHED)
    run = runs.select_related("conference").first()
    if run is not None:
        newest = _newest_item(run.conference)
        try:
            done = repair_for(run, SECONDS_AT_ONCE, staff_user=request.user)
            _tell_all(request, run, done, _opened_after(newest, run.conference))
        except RefundError as error:
            messages.error(request, error.sentence)
    return redirect("comparison")


def _newest_item(conference: Conference) -> int:
    """Key of the newest open item, so that what a repair opens can be told from what was there."""
    return OpenItem.objects.filter(conference=conference).aggregate(newest=Max("pk"))["newest"] or 0


def _opened_after(newest: int, conference: Conference) -> str:
    """What waits for somebody since then, with the way to it; empty for nothing."""
    opened = list(OpenItem.objects.unresolved().filter(conference=conference, pk__gt=newest)[:2])
    if not opened:
        return ""
    if len(opened) > 1:
        return format_html('<a href="{}">{}</a>', reverse("attention_list"), _("What it opened in needs attention"))
    (item,) = opened
    label = _("It waits in needs attention now, as “%(kind)s”.") % {"kind": item.get_kind_display()}
    return format_html('<a href="{}">{}</a>', reverse("attention_item", args=[item.pk]), label)


def _tell(request: HttpRequest, difference: Difference, opened: str) -> None:
    sentences = {
        State.REPAIRED: _("Our books now say what Stripe says."),
        State.GONE: _("Both sides had come to agree by themselves."),
        State.NAMED: _("No code can mend this. It waits in needs attention, with what a person can do."),
        State.ACCEPTED: _("A colleague has settled this with a note."),
    }
    state = State(difference.state)
    tell = messages.warning if state == State.NAMED else messages.success
    tell(request, lines_of([str(state.label), sentences[state], opened]))


def _tell_all(request: HttpRequest, run: ComparisonRun, done: Counter[str], opened: str) -> None:
    mended = done[State.REPAIRED] + done[State.GONE]
    title = ngettext("%(count)s difference repaired", "%(count)s differences repaired", mended) % {"count": mended}
    lines = [title]
    if named := done[State.NAMED]:
        lines.append(_("%(count)s wait in needs attention, for no code can mend them.") % {"count": named})
    if left := run.differences.filter(state=State.OPEN).count():
        lines.append(_("%(count)s are left. Press again to go on.") % {"count": left})
    messages.success(request, lines_of([*lines, opened]))
