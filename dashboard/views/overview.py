"""The overview: how refunds, credit and what is stuck develop."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.access import current_conference, requires
from dashboard.attention.comparisons import agreement
from dashboard.overview.page import Overview


@require_safe
@requires("registration.view_overview")
def overview(request: HttpRequest) -> HttpResponse:
    """Show the key figures of a period with their plots, each with its numbers in a table."""
    conference = current_conference(request)
    context = {"page": Overview(request, conference), "agreement": agreement(request, conference)}
    return render(request, "dashboard/overview/page.html", context)
