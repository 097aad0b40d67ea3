"""Addresses only; the pages follow."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound


def refund_create(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def refund_preview(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def refund_list(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def refund_detail(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def refund_check(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def manual_confirm(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()
