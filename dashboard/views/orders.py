"""The orders of a conference, one order, and what staff write on it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import current_conference, get_order_or_404, requires
from dashboard.export import csv_of, file_name
from dashboard.forms.refund import RefundForm
from dashboard.order_list import OrderList
from dashboard.order_page import OrderPage
from dashboard.refund_panel import panel_context
from dashboard.rows import row_for
from dashboard.views.live import latest_entry
from registration.models import Conference, Order
from registration.services.notes import add_note


@require_safe
@requires("registration.view_order")
def order_list(request: HttpRequest) -> HttpResponse:
    """List orders; a search, a filter or a page that htmx asks for is answered with the list alone."""
    orders = OrderList(request, current_conference(request))
    wants_list = request.headers.get("HX-Target") == "orders"
    template = "dashboard/orders/_swap.html" if wants_list else "dashboard/orders/list.html"
    whole = {} if wants_list else _linked_panel(request) | {"live_after": latest_entry()}
    response = render(request, template, {"orders": orders} | whole)
    if wants_list:
        response["HX-Push-Url"] = orders.address
    patch_vary_headers(response, ("HX-Request", "HX-Target"))
    return response


def _linked_panel(request: HttpRequest) -> dict[str, Any]:
    """The refund panel that ``?refund=ORD-…`` opens over the list; nothing when it is not theirs to open."""
    reference = request.GET.get("refund", "")
    if not reference or not request.user.has_perm("registration.refund_order"):
        return {}
    order = Order.objects.visible_to(request.user).filter(reference=reference).first()
    if order is None or order.conference != current_conference(request):
        return {}
    form = RefundForm(order=order, initial={})
    return panel_context(request, form) | {"in_drawer": True, "drawer_open": True}


@require_safe
@requires("registration.export_orders")
def order_export(request: HttpRequest) -> StreamingHttpResponse:
    """Hand out exactly the orders that the same address lists, as a file."""
    conference = current_conference(request)
    return file_of(OrderList(request, conference).orders(), conference)


def file_of(orders: QuerySet[Order], conference: Conference) -> StreamingHttpResponse:
    """Stream orders as a file named after their conference."""
    lines = csv_of(orders)
    disposition = f'attachment; filename="{file_name(conference.slug)}"'
    headers = {"Content-Disposition": disposition}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


@require_safe
@requires("registration.view_order")
def order_detail(request: HttpRequest, reference: str) -> HttpResponse:
    """Show where the money of one order is and how it came there."""
    order = get_order_or_404(request, reference)
    context = {"page": OrderPage(order, request.user), "live_after": latest_entry()}
    return render(request, "dashboard/orders/detail.html", context)


@require_safe
@requires("registration.view_order")
def order_row(request: HttpRequest, reference: str) -> HttpResponse:
    """Draw one row of the list as the database has it now."""
    order = get_order_or_404(request, reference)
    return render(request, "dashboard/includes/_row.html", {"row": row_for(order, request.user)})


@require_POST
@requires("registration.refund_order")
def note_create(request: HttpRequest, reference: str) -> HttpResponse:
    """Keep a note of staff on an order."""
    order = get_order_or_404(request, reference)
    text = request.POST.get("text", "")
    try:
        add_note(order, text=text, staff_user=request.user)
    except ValidationError as error:
        context = {"page": OrderPage(order, request.user), "note_text": text, "note_error": " ".join(error.messages)}
        return render(request, "dashboard/orders/detail.html", context, status=422)
    messages.success(request, _("Note saved\n%(reference)s") % {"reference": order.reference})
    return redirect("order_detail", reference=order.reference)
