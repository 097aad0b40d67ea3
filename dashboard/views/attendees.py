"""Addresses only; the pages follow."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound


def attendee_detail(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def attendee_search(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()
