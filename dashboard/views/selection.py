"""Orders that were ticked in the list: what they come to, and the same orders as a file."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from django.views.decorators.vary import vary_on_headers

from dashboard.access import current_conference, requires
from dashboard.lists.tables import SELECT
from dashboard.lists.unread import refused
from dashboard.orders.list import OrderList
from dashboard.refunds.outcome import is_htmx
from dashboard.views.orders import file_of
from registration.money import format_money
from registration.selection import Selection, summed

MOST_ROWS = 100
"""A page never shows more, and only what is shown can be ticked."""


@require_POST
@requires(SELECT)
@vary_on_headers("HX-Request")
def order_selection(request: HttpRequest) -> HttpResponseBase:
    """Add up the ticked orders, or all that the address lists; ``do=export`` hands them out as a file."""
    conference = current_conference(request)
    orders = OrderList(request, conference)
    wants_all = request.POST.get("all") == "1"
    ticked = request.POST.getlist("order")[:MOST_ROWS]
    chosen: Any = orders.orders() if wants_all else orders.of_conference().filter(reference__in=ticked)
    if request.POST.get("do") == "export":
        if wants_all and orders.unread:
            return refused(request, orders.unread, orders.url({}))
        return file_of(request, chosen, conference)
    selection = summed(chosen, conference)
    context = {
        "orders": orders,
        "is_all": wants_all,
        "ticked": [] if wants_all else ticked,
        "count": selection.count,
        "count_words": _number(selection.count),
        "words": _words(selection, conference.currency),
        "offers_all": is_htmx(request) and not wants_all and _whole_page(orders, ticked),
    }
    return _answer(request, context)


def _answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    template = "dashboard/orders/_bulkbar.html" if is_htmx(request) else "dashboard/orders/selection.html"
    return render(request, template, context)


def _whole_page(orders: OrderList, ticked: list[str]) -> bool:
    """Whether all rows of the page are ticked and there are more behind it."""
    page = orders.page
    return bool(page.after or page.before) and {order.reference for order in page.rows} <= set(ticked)


def _words(selection: Selection, currency: str) -> list[str]:
    """What could go back, and each reason why some of them would be skipped."""
    ready = ngettext(
        "%(amount)s refundable in %(count)s order.", "%(amount)s refundable in %(count)s orders.", selection.ready
    ) % {"amount": format_money(selection.refundable, currency), "count": _number(selection.ready)}
    skipped = (
        (
            selection.spent,
            ngettext("%s has nothing left to refund.", "%s have nothing left to refund.", selection.spent),
        ),
        (selection.unpaid, ngettext("%s is not paid yet.", "%s are not paid yet.", selection.unpaid)),
        (selection.cancelled, ngettext("%s was cancelled.", "%s were cancelled.", selection.cancelled)),
        (
            selection.blocked,
            ngettext(
                "%s is held back: disputed, or paid in another Stripe mode.",
                "%s are held back: disputed, or paid in another Stripe mode.",
                selection.blocked,
            ),
        ),
    )
    first = ready if selection.ready else _("Nothing refundable.")
    return [first, *(words % _number(count) for count, words in skipped if count)]


def _number(count: int) -> str:
    return str(number_format(count, force_grouping=True))
