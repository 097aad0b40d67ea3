"""What changed since a page was drawn: asked every few seconds by open pages."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from dashboard.access import put_on_desk, requires
from dashboard.attention import pages as attention_pages
from dashboard.live import Mark, mark_now, newest_for, news_since, told
from dashboard.orders.list import OrderList
from dashboard.orders.rows import rows_for
from dashboard.permissions import conference_seen_by
from dashboard.refunds.list import RefundList
from dashboard.refunds.page import refund_row
from dashboard.waiting import waiting_at
from registration.models import Conference, HistoryEntry, OpenItem, Order, Refund

MOST_ROWS = 100
MOST_NEW = 99


@require_safe
@requires("registration.view_order")
def changes(request: HttpRequest) -> HttpResponse:
    """Answer what the page shows and has changed: its rows, or the word to draw itself anew; 204 when nothing did."""
    conference = _conference(request)
    page = request.GET.get("page", "")
    seen = Mark.read(request.GET.get("mark", ""))
    now = mark_now(waiting_at(request, conference), page, newest_for(page, request.GET.get("about", ""), conference))
    if now == seen and not request.GET.get("again"):
        return HttpResponse(status=204)
    news = news_since(seen, conference)
    answer: dict[str, Any] = {"has_waiting_news": now.waiting != seen.waiting} | PAGES.get(page, _frame)(
        request, conference, news, seen
    )
    response = render(request, "dashboard/live/changes.html", answer)
    trigger_client_event(response, "live:mark", {"mark": str(now)})
    if answer.get("draws"):
        trigger_client_event(response, "live:changed")
    if answer.get("counts"):
        trigger_client_event(response, "orders:changed")
    return response


def _conference(request: HttpRequest) -> Conference:
    """The conference of the open page, which need not be the one on the desk by now."""
    found = conference_seen_by(request.user, request.GET.get("at", ""))
    if found is None:
        raise Http404(_("No such conference."))
    put_on_desk(request, found)
    return found


def _frame(
    _request: HttpRequest, _conference: Conference, _news: QuerySet[HistoryEntry], _seen: Mark
) -> dict[str, Any]:
    """A page of which only the counters follow."""
    return {}


def _orders(request: HttpRequest, conference: Conference, news: QuerySet[HistoryEntry], seen: Mark) -> dict[str, Any]:
    shown = Order.objects.filter(conference=conference, reference__in=_shown(request, "order-"))
    again = Q(reference__in=_shown(request, "order-", "again"))
    changed = shown.filter(again | Q(pk__in=news.values("order")))
    rows = rows_for(changed, request.user)
    orders = OrderList(request, conference)
    fresh = _count_new(orders.orders(), seen)
    return {
        "order_rows": rows,
        "announced": told(
            news.filter(order__in=[row.record.pk for row in rows]).select_related("order", "actor"), request.user
        ),
        "fresh": _fresh(fresh, ngettext("%(count)s new order", "%(count)s new orders", fresh)),
        "fresh_url": orders.url({}),
        "fresh_target": "#orders",
        "counts": bool(fresh) or news.exists(),
    }


def _refunds(request: HttpRequest, conference: Conference, news: QuerySet[HistoryEntry], seen: Mark) -> dict[str, Any]:
    if not request.user.has_perm("registration.view_refund"):
        return {}
    of_page = Refund.objects.filter(order__conference=conference)
    shown = of_page.filter(pk__in=_keys(_shown(request, "refund-")))
    again = Q(pk__in=_keys(_shown(request, "refund-", "again")))
    changed = shown.filter(again | Q(pk__in=news.filter(refund__isnull=False).values("refund")))
    rows = changed.select_related("order__user", "order__conference", "requested_by").prefetch_related("parts__payment")
    refunds = RefundList(request, conference)
    fresh = _count_new(refunds.refunds(), seen)
    return {
        "refunds": refunds if fresh or news.exists() else None,
        "refund_rows": [refund_row(refund) for refund in rows],
        "announced": told(news.filter(refund__in=changed), request.user),
        "fresh": _fresh(fresh, ngettext("%(count)s new refund", "%(count)s new refunds", fresh)),
        "fresh_url": refunds.url({}),
        "fresh_target": "#refunds",
    }


def _attention(
    request: HttpRequest, conference: Conference, news: QuerySet[HistoryEntry], seen: Mark
) -> dict[str, Any]:
    waiting = OpenItem.objects.unresolved().filter(conference=conference)
    kind = request.GET.get("kind", "")
    of_kind = waiting.filter(kind=kind) if kind in OpenItem.Kind.values else waiting
    # What an item says and offers follows the refunds of its order: one proposed, taken back or rejected meanwhile.
    moved = Q(resolved_at__isnull=False) | Q(order__in=news.values("order"))
    changed = moved | Q(pk__in=_keys(_shown(request, "item-", "again")))
    items = OpenItem.objects.filter(conference=conference, pk__in=_keys(_shown(request, "item-"))).filter(changed)
    fresh = _count_new(of_kind, seen)
    return {
        "items": attention_pages.item_contexts(request, list(items.select_related(*attention_pages.RELATED))),
        "kind": kind,
        "chips": attention_pages.chips(waiting, kind),
        "fresh": _fresh(fresh, ngettext("%(count)s more waits", "%(count)s more wait", fresh)),
        "fresh_url": attention_pages.first_url(kind),
        "fresh_target": "#waiting",
    }


def _order(request: HttpRequest, _conference: Conference, news: QuerySet[HistoryEntry], _seen: Mark) -> dict[str, Any]:
    """The page of one order, or of one of its refunds."""
    own = news.filter(order__reference=request.GET.get("about", ""))
    return {"draws": own.exists(), "announced": told(own, request.user)}


def _attendee(request: HttpRequest, conference: Conference, news: QuerySet[HistoryEntry], seen: Mark) -> dict[str, Any]:
    about = request.GET.get("about", "")
    own = news.filter(order__user__in=_keys([about]))
    moved = newest_for("attendee", about, conference) != seen.newest
    return {"draws": moved or own.exists(), "announced": told(own, request.user)}


PAGES = {"orders": _orders, "refunds": _refunds, "attention": _attention, "order": _order, "attendee": _attendee}


def _shown(request: HttpRequest, prefix: str, name: str = "shown") -> list[str]:
    """What the page shows, or was told before and could not draw, without the beginning of the elements' ids."""
    ids = f"{request.GET.get('again', '')},{request.GET.get('shown', '') if name == 'shown' else ''}".split(",")
    return [each.removeprefix(prefix) for each in ids[:MOST_ROWS] if each.startswith(prefix)]


def _keys(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19]


def _count_new(rows: QuerySet[Any], seen: Mark) -> int:
    """How many of these came after the page was drawn, as far as it matters."""
    return rows.filter(pk__gt=seen.newest).order_by()[: MOST_NEW + 1].count()


def _fresh(count: int, words: str) -> str:
    if not count:
        return ""
    return words % {"count": count if count <= MOST_NEW else f"{MOST_NEW}+"}
