"""Who may see and do what: membership decides about conferences, permissions about actions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.permissions import conferences_seen_by
from registration.kept_query import WHICH, KeptRows
from registration.models import Conference, Order, Refund
from registration.roles import ROLES, role_in_words

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)

SESSION_KEY = "conference"


def requires(
    permission: str,
) -> Callable[[Callable[Concatenate[HttpRequest, P], R]], Callable[Concatenate[HttpRequest, P], R]]:
    """Answer 403 unless the user holds ``permission`` ("registration.refund_order")."""

    def decorate(view: Callable[Concatenate[HttpRequest, P], R]) -> Callable[Concatenate[HttpRequest, P], R]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if not request.user.has_perm(permission):
                raise PermissionDenied(why_not(permission))
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def why_not(permission: str) -> str:
    """Which of the roles may do what somebody may not; empty when only a group of the house's own may."""
    roles = [role_in_words(name) for name, codenames in ROLES.items() if permission.partition(".")[2] in codenames]
    if not roles:
        return ""
    if len(roles) == 1:
        return _("This needs the role %(role)s.") % {"role": roles[0]}
    return _("This needs the role %(roles)s or %(last)s.") % {"roles": ", ".join(roles[:-1]), "last": roles[-1]}


def conferences_of(request: HttpRequest) -> list[Conference]:
    """The conferences the user is a member of, made once per request; each carries the user's ``role``."""
    known: list[Conference] | None = getattr(request, "_conferences", None)
    if known is None:
        known = conferences_seen_by(request.user)
        request._conferences = known  # type: ignore[attr-defined]
    return known


def current_conference(request: HttpRequest) -> Conference:
    """The conference whose rows the lists show: the one asked for, else the one chosen before, else the first.

    Raises:
        Http404: The user is a member of none, or asks for one they cannot see.
    """
    asked = request.GET.get("conference", "")
    conferences = conferences_of(request)
    chosen = _by_slug(conferences, asked or request.session.get(SESSION_KEY, ""))
    if asked and chosen is None:
        raise Http404(_("No such conference."))
    if chosen is None:
        chosen = conferences[0] if conferences else None
    if chosen is None:
        raise Http404(_("You are not a member of any conference yet."))
    if asked and asked != request.session.get(SESSION_KEY):
        request.session[SESSION_KEY] = chosen.slug
    if getattr(request, "conference", None) is None:
        timezone.activate(ZoneInfo(chosen.timezone))
    return chosen


def put_on_desk(request: HttpRequest, conference: Conference) -> None:
    """Frame the page by the conference of what it shows, which need not be the one the lists show, and by its clock."""
    request.conference = conference  # type: ignore[attr-defined]
    timezone.activate(ZoneInfo(conference.timezone))


def conference_clock(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: a conference's clock is for the request that put it on the desk, and for no other."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(None):
            return get_response(request)

    return middleware


def conference_or_none(request: HttpRequest) -> Conference | None:
    """The current conference for the page's frame, which must be drawn even where there is none."""
    try:
        return current_conference(request)
    except Http404:
        return None


def get_order_or_404(request: HttpRequest, reference: str) -> Order:
    """The order, unless it does not exist or belongs to a conference the user cannot see."""
    seen = {conference.pk: conference for conference in conferences_of(request)}
    found: list[Order] = _order_by_reference(connection.vendor).rows(which=reference)
    order = next((order for order in found if order.conference_id in seen), None)
    if order is None:
        raise Http404
    order.conference = seen[order.conference_id]
    put_on_desk(request, order.conference)
    return order


@lru_cache(maxsize=2)
def _order_by_reference(_vendor: str) -> KeptRows:
    return KeptRows(Order.objects.filter(reference=WHICH).order_by(), "user")


def get_refund_or_404(request: HttpRequest, pk: int) -> Refund:
    """The refund with its order and who decided it, unless the user cannot see its conference."""
    seen = {conference.pk: conference for conference in conferences_of(request)}
    people = ("order__user", "requested_by", "decided_by")
    refund = get_object_or_404(Refund.objects.filter(order__conference__in=seen).select_related(*people), pk=pk)
    refund.order.conference = seen[refund.order.conference_id]
    put_on_desk(request, refund.order.conference)
    return refund


def _by_slug(conferences: list[Conference], slug: str) -> Conference | None:
    return next((conference for conference in conferences if conference.slug == slug), None)
