"""What the comparison with Stripe shows: how far it got, what differs with both sides, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.forms.comparison import ComparisonForm
from dashboard.lists.unread import Asked
from dashboard.templatetags.desk import moment
from registration.comparison_words import advice, amount_in, state_in, told
from registration.models import ComparisonRun, Conference, Difference, OpenItem

LOOK, MEND = "registration.view_comparisonrun", "registration.change_comparisonrun"
State, Step = Difference.State, ComparisonRun.Step
LOOKS = {
    State.OPEN: ("amber", "arrows-right-left"),
    State.NAMED: ("amber", "inbox"),
    State.ACCEPTED: ("gray", "check"),
    State.REPAIRED: ("green", "check"),
    State.GONE: ("gray", "check"),
}
LISTED = tuple(state.value for state in State if state != State.SUSPECTED)
"""What a list can be narrowed to; a suspicion is looked at again before anybody hears of it."""
STILL_SECONDS = 15
"""After so long without a step nobody seems to be at it: a worker looks every few seconds."""


@dataclass(frozen=True)
class Side:
    """What one side says, line by line; empty when it knows nothing of it."""

    title: str
    lines: list[tuple[str, str]]


def page_context(request: HttpRequest, conference: Conference, form: ComparisonForm | None = None) -> dict[str, Any]:
    """The newest result, and what is running."""
    runs = ComparisonRun.objects.filter(conference=conference)
    running = runs.filter(state=ComparisonRun.State.RUNNING).first()
    result = runs.filter(state=ComparisonRun.State.FINISHED).first()
    return {
        "conference": conference,
        "form": form or ComparisonForm(),
        "may_mend": request.user.has_perm(MEND),
        "has_key": bool(conference.stripe_secret_key),
        "progress": progress_context(running) if running else None,
        "result": result_context(request, result) if result else None,
    }


def agreement(request: HttpRequest, conference: Conference) -> dict[str, str] | None:
    """One line on whether ledger and Stripe agreed when last compared; ``None`` for those who may not see it."""
    if not request.user.has_perm(LOOK):
        return None
    run = ComparisonRun.objects.filter(conference=conference, state=ComparisonRun.State.FINISHED).first()
    if run is None:
        return {"text": _("Ledger and Stripe have not been compared yet.")}
    differing = run.differences.filter(state__in=Difference.DIFFERING).count()
    values = {"when": moment(run.finished_at), "count": differing}
    if not differing:
        return {"text": _("Ledger and Stripe agree to the cent, last checked %(when)s.") % values}
    pattern = ngettext(
        "%(count)s difference between ledger and Stripe, last checked %(when)s.",
        "%(count)s differences between ledger and Stripe, last checked %(when)s.",
        differing,
    )
    return {"text": pattern % values}


def progress_context(run: ComparisonRun) -> dict[str, Any]:
    """How far a running comparison got, or why it stands still."""
    step = list(Step).index(Step(run.step))
    return {
        "run": run,
        "step": str(Step(run.step).label),
        "counts": counts_in_words(run),
        "parts": [{"tone": "left", "x": 0, "width": 1000 * step // len(Step)}],
        "again": moment(run.next_attempt_at) if run.problem else "",
        "waits": not run.problem and run.next_attempt_at < timezone.now() - timedelta(seconds=STILL_SECONDS),
        "url": reverse("comparison_progress"),
    }


def counts_in_words(run: ComparisonRun) -> str:
    """How much was compared."""
    values = {"refunds": run.refunds, "payments": run.payments, "disputes": run.disputes}
    return _("Refunds: %(refunds)s, payments: %(payments)s, disputes: %(disputes)s") % values


def result_context(request: HttpRequest, run: ComparisonRun) -> dict[str, Any]:
    """One page of what a finished comparison found."""
    asked = Asked(request)
    chosen = asked.choice("state", LISTED, _("State"))
    found = run.differences.exclude(state=State.SUSPECTED)
    shown = found.filter(state=chosen) if chosen else found.filter(state__in=Difference.DIFFERING)
    page = asked.page(shown.select_related("order", "run__conference"), "id", descending=False)
    return {
        "run": run,
        "counts": counts_in_words(run),
        "chosen": chosen,
        "unread": asked.unread,
        "differing": found.filter(state__in=Difference.DIFFERING).count(),
        "open": found.filter(state=State.OPEN).count(),
        "chips": _chips(run, chosen),
        "differences": [difference_context(request, each) for each in page.rows],
        "is_paged": bool(page.before or page.after),
        "earlier_url": _url(state=chosen, before=page.before) if page.before else "",
        "later_url": _url(state=chosen, after=page.after) if page.after else "",
    }


def difference_context(request: HttpRequest, difference: Difference) -> dict[str, Any]:
    """One difference: what it is, both sides, and what may be done about it by this user."""
    hue, icon = LOOKS[State(difference.state)]
    is_open = difference.state == State.OPEN
    item = _item(difference) if difference.state in (State.NAMED, State.REPAIRED) else None
    return {
        "difference": difference,
        "element": f"difference-{difference.pk}",
        "kind": difference.get_kind_display(),
        "sentence": told(difference.kind, difference.ours, difference.theirs),
        "advice": _then(difference, item)
        or (advice(difference.kind, beyond_repair=not is_open) if is_open or item else ""),
        "amount": amount_in(difference.theirs) or amount_in(difference.ours),
        "sides": _sides(difference),
        "order_url": reverse("order_detail", args=[difference.order.reference]) if difference.order else "",
        "item_url": reverse("attention_item", args=[item.pk]) if item else "",
        "repair_url": reverse("difference_repair", args=[difference.pk]),
        "may_repair": is_open and request.user.has_perm(MEND),
        "hue": hue,
        "icon": icon,
        "label": difference.get_state_display(),
    }


def _item(difference: Difference) -> OpenItem | None:
    """The open item that speaks of it: its own, or that of what moved at Stripe."""
    ids = [difference.theirs.get(name) for name in ("id", "payment") if difference.theirs.get(name)]
    items = OpenItem.objects.unresolved().filter(conference=difference.run.conference)
    return items.filter(subject__in=[difference.subject, *ids]).order_by("-pk").first()


def _then(difference: Difference, item: OpenItem | None = None) -> str:
    """That both sides agree by now, where they do; what differed stands below as it was found."""
    texts = {
        State.REPAIRED: _("Repaired: our books say the same as Stripe now. Below is what was found."),
        State.GONE: _("Both sides agree now. Below is what was found."),
    }
    then = texts.get(State(difference.state), "")
    waits = _("It waits in needs attention now, as “%(kind)s”.") % {"kind": item.get_kind_display()} if item else ""
    return f"{then} {waits}".strip() if then else ""


def _sides(difference: Difference) -> list[Side]:
    """Both sides as they were found, named so once they agree."""
    ours, theirs = _("Our books"), _("Stripe")
    if _then(difference):
        ours, theirs = _("Our books then"), _("Stripe then")
    return [_side(ours, difference.ours), _side(theirs, difference.theirs)]


def _side(title: str, facts: dict[str, Any]) -> Side:
    lines = (
        (_("Amount"), amount_in(facts)),
        (_("State"), state_in(facts).capitalize()),
        (_("Refund"), facts.get("number", "")),
        (_("Stripe ID"), facts.get("id", "")),
        (_("Payment"), facts.get("payment", "")),
    )
    return Side(title, [(label, value) for label, value in lines if value])


def _chips(run: ComparisonRun, chosen: str) -> Sequence[dict[str, Any]]:
    counts = dict(run.differences.order_by("state").values_list("state").annotate(Count("pk")))
    differing = sum(counts.get(state, 0) for state in Difference.DIFFERING)
    still = {"label": _("Still differs"), "url": _url(), "count": differing, "current": not chosen}
    return [still] + [
        {"label": str(state.label), "url": _url(state=state), "count": counts[state], "current": state == chosen}
        for state in State
        if state in counts and state not in (State.SUSPECTED, State.OPEN)
    ]


def _url(**query: str) -> str:
    asked = urlencode({key: value for key, value in query.items() if value})
    return reverse("comparison") + (f"?{asked}" if asked else "")
