"""The books, for Finance: read only."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.access import current_conference, get_order_or_404, requires
from dashboard.attention.comparisons import agreement
from dashboard.books.pages import LOOK, AccountPage, BooksPage
from dashboard.lists.export import csv_file
from dashboard.lists.unread import refused


@require_safe
@requires(LOOK)
def books(request: HttpRequest) -> HttpResponse:
    """Show the trial balance of the conference on the desk over a period."""
    conference = current_conference(request)
    context = {"page": BooksPage(request, conference), "agreement": agreement(request, conference)}
    return render(request, "dashboard/books/trial.html", context)


@require_safe
@requires(LOOK)
def books_export(request: HttpRequest) -> HttpResponseBase:
    """Hand out the same table as a file."""
    page = BooksPage(request, current_conference(request))
    if page.unread:
        return refused(request, page.unread, page.url)
    return csv_file(request, page.csv(), page.file_name("trial-balance"))


@require_safe
@requires(LOOK)
def books_movements(request: HttpRequest) -> HttpResponseBase:
    """Hand out every movement of the period as a file."""
    page = BooksPage(request, current_conference(request))
    if page.unread:
        return refused(request, page.unread, page.url)
    return csv_file(request, page.movements_csv(), page.file_name("movements"))


@require_safe
@requires(LOOK)
def order_account(request: HttpRequest, reference: str) -> HttpResponse:
    """Show the account behind the money strip of one order."""
    order = get_order_or_404(request, reference)
    return render(request, "dashboard/books/account.html", {"page": AccountPage(order)})


@require_safe
@requires(LOOK)
def order_account_export(request: HttpRequest, reference: str) -> StreamingHttpResponse:
    """Hand out the account of one order as a file."""
    order = get_order_or_404(request, reference)
    return csv_file(request, AccountPage(order).csv(), f"{order.reference}-account.csv")
