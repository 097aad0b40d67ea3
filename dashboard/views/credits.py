"""Addresses only; the pages follow."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound


def credit_list(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def credit_detail(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def credit_apply(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def credit_issue(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def credit_adjust(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()


def credit_void(request: HttpRequest, pk: int = 0, reference: str = "") -> HttpResponse:
    """Answer that there is no such page yet."""
    return HttpResponseNotFound()
