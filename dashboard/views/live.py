"""What changed since a page was drawn: asked every few seconds by open pages, answered from the history alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, Max, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.access import current_conference, requires
from dashboard.rows import rows_for
from registration.json_rows import JSONRows, rows_of
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
    news = HistoryEntry.objects.filter(Q(pk__gt=after) | late, order=OuterRef("pk")).order_by()
    # Membership is asked for in the same question: the conference is read only when there is something to draw.
    orders: Any = Order.objects.visible_to(request.user).filter(Exists(news), reference__in=shown)
    latest, changed = _answered(JSONRows(orders.order_by(), "pk"))
    if not changed and latest == after:
        return HttpResponse(status=204)
    current_conference(request)  # Sets the clock that the rows are told by.
    rows = rows_for(Order.objects.filter(pk__in=changed), request.user)
    context = {"rows": rows, "after": latest, "changed": changed}
    response = render(request, "dashboard/orders/_changes.html", context)
    if changed:
        response["HX-Trigger"] = "orders:changed"
    return response


def latest_entry() -> int:
    """The newest entry of all histories, from which a page asks on."""
    return HistoryEntry.objects.aggregate(latest=Max("pk"))["latest"] or 0


def _answered(changed: JSONRows) -> tuple[int, list[int]]:
    """The newest entry, and the keys of the orders that changed; both zero and empty before anything happened."""
    newest = HistoryEntry.objects.order_by("-pk").values_list("pk", changed)[:1]
    for latest, rows in newest:
        return latest, [key for (key,) in rows_of(rows)]
    return 0, []


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
