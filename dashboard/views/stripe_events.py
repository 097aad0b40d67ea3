"""What Stripe told us: the events, the raw facts of one, and having it processed again."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from dashboard.access import current_conference, put_on_desk, requires
from dashboard.attention.stripe_events import REPLAY, detail_context, list_context
from dashboard.refunds.outcome import is_htmx
from registration.models import Conference, StripeEvent
from registration.services.events import replay, retry_failed
from registration.services.rejections import forget_rejections

State = StripeEvent.State


@requires("registration.view_stripeevent")
@require_safe
@vary_on_headers("HX-Request")
def event_list(request: HttpRequest) -> HttpResponse:
    """List the events of the conference on the desk, newest first."""
    conference = current_conference(request)
    template = "dashboard/stripe_events/_table.html" if is_htmx(request) else "dashboard/stripe_events/list.html"
    return render(request, template, list_context(request, conference))


@requires("registration.view_stripeevent")
@require_safe
def event_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one event as it arrived."""
    return render(request, "dashboard/stripe_events/detail.html", detail_context(request, _event(request, pk)))


@requires(REPLAY)
@require_POST
def event_replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Process one event again, and say what became of it."""
    event = _event(request, pk)
    outcome = replay(event)
    event.refresh_from_db()
    _tell(request, event, outcome)
    return redirect("event_detail", event.pk)


@requires(REPLAY)
@require_POST
def event_retry(request: HttpRequest) -> HttpResponse:
    """Put every failed event of the conference back into the queue."""
    count = retry_failed(current_conference(request))
    text = ngettext(
        "%(count)s event is processed again within seconds.",
        "%(count)s events are processed again within seconds.",
        count,
    )
    messages.success(request, _("Back in the queue") + "\n" + text % {"count": count})
    return redirect("event_list")


@requires(REPLAY)
@require_POST
def rejections_forget(request: HttpRequest) -> HttpResponse:
    """Count anew what the webhook turns away."""
    forget_rejections(current_conference(request))
    messages.success(request, _("Counted anew from now on."))
    return redirect("event_list")


def _tell(request: HttpRequest, event: StripeEvent, outcome: str | None) -> None:
    if outcome == State.PROCESSED:
        text = _("Processed again. Applying a state twice changes nothing.")
        messages.success(request, f"{event.type}\n{text}")
    elif outcome == State.IGNORED:
        messages.info(request, f"{event.type}\n" + _("This desk has no use for events of this type."))
    elif outcome is None:
        messages.info(request, f"{event.type}\n" + _("Somebody else is processing it right now."))
    else:
        text = _("It could not be processed. It stays in the queue and is tried again.")
        messages.error(request, f"{event.type}\n{text}")


def _event(request: HttpRequest, pk: int) -> StripeEvent:
    visible = StripeEvent.objects.filter(conference__in=Conference.objects.visible_to(request.user))
    event = get_object_or_404(visible.select_related("conference"), pk=pk)
    # The page's frame shows the event's own conference.
    put_on_desk(request, event.conference)
    return event
