"""Addresses only; the pages follow."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound


def order_list(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def order_export(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def order_detail(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def order_row(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def note_create(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()
