"""The orders of a conference, one order, and what staff write on it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import current_conference, get_order_or_404, put_on_desk, requires
from dashboard.forms.refund import RefundForm
from dashboard.lists.export import csv_file, csv_of, file_name, history_csv, history_file_name
from dashboard.lists.unread import refused
from dashboard.live import LivePage, tell_newest
from dashboard.orders.idle_keys import why_idle
from dashboard.orders.list import OrderList
from dashboard.orders.page import OrderPage
from dashboard.orders.rows import rows_for
from dashboard.refunds.outcome import order_url
from dashboard.refunds.panel import panel_context
from dashboard.stripe_links import payment_url
from dashboard.waiting import waiting_at
from registration.models import Conference, Order
from registration.money import format_money
from registration.services.lines import lines_left, total_of
from registration.services.notes import add_note
from registration.services.planner import blocked_reason

PARTS = {"orders": "dashboard/orders/_swap.html", "order-chips": "dashboard/orders/_counts.html"}
"""Element that htmx wants to fill, and what fills it."""
DRAWN = ",".join(
    f"#order-{part}"
    for part in ("title", "actions", "callouts", "strip", "items", "refunds", "payments", "credit", "timeline")
)
"""Parts of an order's page that are drawn anew when it changed; the note somebody writes is not among them."""


@require_safe
@requires("registration.view_order")
def order_list(request: HttpRequest) -> HttpResponse:
    """List orders; a search, a filter or a page that htmx asks for is answered with the list or its counts alone."""
    orders = OrderList(request, current_conference(request))
    # How far history has come is read with the counts and before the rows, so that nothing is missed.
    orders.count_with_frame()
    part = request.headers.get("HX-Target", "")
    whole = {} if part in PARTS else _linked_panel(request) | {"live": LivePage("orders")}
    response = render(request, PARTS.get(part, "dashboard/orders/list.html"), {"orders": orders} | whole)
    if part == "orders":
        response["HX-Push-Url"] = orders.address
        tell_newest(response, request, orders.conference, "orders")
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
    return _opened(request, order)


def _opened(request: HttpRequest, order: Order) -> dict[str, Any]:
    """The refund panel, drawn with the page."""
    form = RefundForm(order=order, initial={})
    return panel_context(request, form) | {"in_drawer": True, "drawer_open": True}


@require_safe
@requires("registration.export_orders")
def order_export(request: HttpRequest) -> HttpResponseBase:
    """Hand out exactly the orders that the same address asks for, as a file."""
    conference = current_conference(request)
    orders = OrderList(request, conference)
    return (
        refused(request, orders.unread, orders.url({}))
        if orders.unread
        else file_of(request, orders.orders(), conference)
    )


def file_of(request: HttpRequest, orders: QuerySet[Order], conference: Conference) -> StreamingHttpResponse:
    """Stream orders as a file named after their conference."""
    return csv_file(request, csv_of(orders, conference.zone), file_name(conference))


@require_safe
@requires("registration.view_order")
def order_detail(request: HttpRequest, reference: str) -> HttpResponse:
    """Show where the money of one order is and how it came there."""
    order = get_order_or_404(request, reference)
    waiting_at(request, order.conference)  # Before the rows, so that the page asks on from where they stand.
    page = OrderPage(order, request.user, before=request.GET.get("before", ""))
    context = {"page": page, "live": LivePage("order", reference, DRAWN)}
    if request.GET.get("refund") == reference and request.user.has_perm("registration.refund_order"):
        # What the page was drawn from was read in one; the panel asks on.
        context |= _opened(request, get_order_or_404(request, reference))
    return render(request, "dashboard/orders/detail.html", context)


@require_safe
@requires("registration.export_orders")
def order_history_export(request: HttpRequest, reference: str) -> StreamingHttpResponse:
    """Hand out all that happened to one order, in the words of its page."""
    order = get_order_or_404(request, reference)
    return csv_file(request, history_csv(order), history_file_name(order))


@require_safe
@requires("registration.view_order")
def order_row(request: HttpRequest, reference: str) -> HttpResponse:
    """Draw one row of the list as the database has it now."""
    orders: Any = Order.objects.visible_to(request.user).filter(reference=reference)
    row = next(iter(rows_for(orders, request.user)), None)
    if row is None:
        raise Http404
    put_on_desk(request, row.record.conference)
    return render(request, "dashboard/includes/_row.html", {"row": row})


@require_safe
@requires("registration.refund_order")
def order_lines(request: HttpRequest, reference: str) -> HttpResponse:
    """Say how many line items are ticked and what of them can go back."""
    order = get_order_or_404(request, reference)
    ticked = set(request.GET.getlist("lines"))
    chosen = [row.left_amount for row in lines_left(order) if str(row.line_item.pk) in ticked]
    context = {"count": len(chosen), "amount": format_money(total_of(chosen), order.currency)}
    return render(request, "dashboard/orders/_lines_foot.html", context)


@require_safe
@requires("registration.view_order")
def order_menu(request: HttpRequest, reference: str) -> HttpResponse:
    """Say what else can be done about an order of the list, and why nothing can be refunded."""
    order = get_order_or_404(request, reference)
    urls = (payment_url(payment, order.conference) for payment in order.payments.all())
    context = {"order": order, "reason": blocked_reason(order), "stripe_url": next(filter(None, urls), "")}
    return render(request, "dashboard/orders/_menu.html", context)


@require_safe
@requires("registration.view_order")
def order_why_not(request: HttpRequest, reference: str) -> HttpResponse:
    """Say in a toast why the key that was pressed does nothing at an order."""
    text = why_idle(get_order_or_404(request, reference), request.user, request.GET.get("key", ""))
    messages.info(request, text, extra_tags="why")
    return render(request, "includes/_toasts.html", {"oob": True})


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
    entry = order.history.filter(kind="note_added").latest("pk")
    return redirect(f"{order_url(order)}#entry-{entry.pk}")
