"""What changed since a page was drawn: asked every few seconds by open pages, answered from the history alone."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.access import current_conference, requires
from dashboard.rows import row_for
from registration.models import HistoryEntry, Order

MOST_ROWS = 100
OVERLAP, OVERLAP_ENTRIES = timedelta(seconds=10), 500
"""Transactions commit out of order, so entries of the last seconds are looked at again."""


@require_safe
@requires("registration.view_order")
def order_changes(request: HttpRequest) -> HttpResponse:
    """Answer the rows of shown orders whose history grew after an entry, or 204 when none did."""
    after, shown = _number(request.GET.get("after", "")), request.GET.get("shown", "").split(",")[:MOST_ROWS]
    late = Q(pk__gt=after - OVERLAP_ENTRIES, created_at__gte=timezone.now() - OVERLAP)
    news = HistoryEntry.objects.filter(Q(pk__gt=after) | late)
    orders = Order.objects.filter(conference=current_conference(request), reference__in=shown)
    changed = list(orders.filter(pk__in=news.values("order")).order_by("pk"))
    latest = latest_entry()
    if not changed and latest == after:
        return HttpResponse(status=204)
    context = {"rows": [row_for(order, request.user) for order in changed], "after": latest, "changed": changed}
    response = render(request, "dashboard/orders/_changes.html", context)
    if changed:
        response["HX-Trigger"] = "orders:changed"
    return response


def latest_entry() -> int:
    """The newest entry of all histories, from which a page asks on."""
    return HistoryEntry.objects.aggregate(latest=Max("pk"))["latest"] or 0


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
