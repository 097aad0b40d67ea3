"""What a change of credit answers: the parts of the page it was made from, drawn from a fresh read."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django_htmx.http import HttpResponseClientRefresh, reswap, trigger_client_event

from dashboard.credits.panels import credit_context, statement_context
from dashboard.orders.rows import row_for
from registration.models import Conference, Credit, Order


def is_fragment(request: Any) -> bool:
    """Whether a piece of a page is asked for; a page that htmx restores from history is whole."""
    return bool(request.htmx) and not request.htmx.history_restore_request


def answer_change(
    request: Any, *, attendee: Any, conference: Conference, back: str, order: Order | None = None
) -> HttpResponse:
    """Answer a change that is done: without a script the page ``back``, else what it changed on the open page."""
    if not request.htmx:
        return redirect(back)
    template, context, landing = _changed_parts(request, attendee, conference, order)
    if not template:
        return HttpResponseClientRefresh()
    response = render(request, template, context)
    return trigger_client_event(reswap(response, "none"), "refund:done", {"row": landing}, after="settle")


def _changed_parts(
    request: Any, attendee: Any, conference: Conference, order: Order | None
) -> tuple[str, dict[str, Any], str]:
    """Template, context and where the focus goes; no template where the page is best read again."""
    page, key = _open_page(request)
    landing = f"order-{order.reference}" if order else ""
    if page == "attendee_detail" and key == attendee.pk:
        return "dashboard/attendees/_changed.html", statement_context(request, attendee, conference), landing
    if page == "credit_detail" and order is None:
        credit = Credit.objects.visible_to(request.user).get(pk=key)
        return "dashboard/credits/_changed.html", credit_context(request, credit), f"credit-{key}"
    if page == "order_list" and order is not None:
        return "dashboard/credits/_applied.html", {"row": row_for(order, request.user)}, landing
    return "", {}, ""


def _open_page(request: Any) -> tuple[str, Any]:
    """Name and key of the page that the browser shows."""
    try:
        match = resolve(urlsplit(request.htmx.current_url or "").path or "/")
    except Resolver404:
        return "", None
    return match.url_name or "", match.kwargs.get("pk")


def new_nonce() -> str:
    """What makes a form count once."""
    return secrets.token_urlsafe(12)
