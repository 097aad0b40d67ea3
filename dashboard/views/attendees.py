"""An attendee: what they hold, every movement of it, and the orders it could pay."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.access import conferences_of, current_conference, put_on_desk, requires
from dashboard.credits.display import marked
from dashboard.credits.panels import statement_context
from dashboard.lists.export import csv_file, ledger_csv, ledger_file_name
from dashboard.live import LivePage
from dashboard.templatetags.desk import person
from dashboard.waiting import waiting_at
from registration.attendee_search import find_attendees
from registration.models import Conference
from registration.money import format_money
from registration.statement import attendee_at

MOST_OPTIONS = 8


@require_safe
@requires("registration.view_credit")
def attendee_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one attendee at one conference."""
    attendee, conference, conferences = attendee_place(request, pk)
    waiting_at(request, conference)  # Before the rows, so that the page asks on from where they stand.
    context = statement_context(request, attendee, conference) | {"conferences": conferences}
    live = LivePage("attendee", str(pk), f"#attendee-{pk}", context["newest"])
    return render(request, "dashboard/attendees/detail.html", context | {"live": live})


@require_safe
@requires("registration.view_credit")
@requires("registration.export_orders")
def ledger_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Hand out every movement of an attendee's credit at one conference."""
    attendee, conference, _places = attendee_place(request, pk)
    return csv_file(request, ledger_csv(attendee, conference), ledger_file_name(attendee, conference))


@require_safe
@requires("registration.view_credit")
def attendee_search(request: HttpRequest) -> HttpResponse:
    """Answer what was typed into the attendee field with a list of options."""
    return render(request, "dashboard/attendees/_options.html", people_context(request))


def attendee_place(request: HttpRequest, pk: int) -> tuple[Any, Conference, list[Conference]]:
    """The attendee, the conference to show them at, and all of the user's conferences that know them.

    Raises:
        Http404: No conference that the user can see knows the attendee, or not the one asked for.
    """
    found = {place: attendee_at(place, pk) for place in conferences_of(request)}
    places = [place for place, attendee in found.items() if attendee is not None]
    if not places:
        raise Http404(_("No such attendee."))
    chosen = current_conference(request)
    if chosen not in places and request.GET.get("conference"):
        raise Http404(_("This attendee is not known at that conference."))
    conference = chosen if chosen in places else places[0]
    # The frame of the page names this conference, whichever the lists show.
    put_on_desk(request, conference)
    return found[conference], conference, places


def people_context(request: HttpRequest) -> dict[str, Any]:
    """The attendees of the current conference that ``q`` finds, with what they can spend."""
    conference = current_conference(request)
    query = request.GET.get("q", "").strip()
    found = find_attendees(conference, query, MOST_OPTIONS + 1)
    people = [_option(user, available, conference, query) for user, available in found[:MOST_OPTIONS]]
    return {"query": query, "people": people, "more": len(found) > MOST_OPTIONS}


def _option(user: Any, available: Decimal, conference: Conference, query: str) -> dict[str, Any]:
    return {
        "attendee": user,
        "name": marked(person(user), query),
        "email": marked(user.email, query),
        "url": reverse("attendee_detail", args=[user.pk]),
        "available": format_money(available, conference.currency) if available else "",
    }
