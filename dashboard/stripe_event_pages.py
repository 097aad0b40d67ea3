"""What Stripe told us, for finance and administrators: what became of each event, and its raw facts."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.paging import keyset_page
from registration.models import Conference, StripeEvent
from registration.services.events import MOST_ATTEMPTS, rejected_count

State = StripeEvent.State
REPLAY = "registration.change_stripeevent"
LOOKS = {
    State.STORED: ("gray", "clock"),
    State.PROCESSED: ("green", "check"),
    State.IGNORED: ("outline", "no-symbol"),
    State.FAILED: ("red", "x-circle"),
}
CHIPS = (State.FAILED, State.STORED, State.IGNORED, State.PROCESSED)
SECRET_BEGINNINGS = ("sk_", "rk_", "whsec_")
HIDDEN = "…"


def list_context(request: HttpRequest, conference: Conference) -> dict[str, Any]:
    """One page of the conference's events, newest first."""
    state = request.GET.get("state", "")
    state = state if state in State.values else ""
    events = StripeEvent.objects.filter(conference=conference)
    page = keyset_page(
        (events.filter(state=state) if state else events).defer("payload"),
        "id",
        descending=True,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    return {
        "conference": conference,
        "state": state,
        "chips": _chips(conference, state),
        "events": [_row(event) for event in page.rows],
        "newer_url": _url(state=state, before=page.before) if page.before else "",
        "older_url": _url(state=state, after=page.after) if page.after else "",
        "summary": _("Newest first"),
        "rejected": rejected_count(),
        "list_url": _url(),
    }


def detail_context(request: HttpRequest, event: StripeEvent) -> dict[str, Any]:
    """One event with everything that is known about it, but no secret."""
    return {
        **_row(event),
        "payload": json.dumps(without_secrets(event.payload), indent=2, ensure_ascii=False, sort_keys=True),
        "about": _about(event),
        "most_attempts": MOST_ATTEMPTS,
        "may_replay": request.user.has_perm(REPLAY),
        "replay_url": reverse("event_replay", args=[event.pk]),
    }


def without_secrets(facts: Any) -> Any:
    """The same facts, with whatever could be used to act in somebody's name left out."""
    if isinstance(facts, dict):
        return {
            key: HIDDEN if _is_secret_name(key) and value else without_secrets(value) for key, value in facts.items()
        }
    if isinstance(facts, list):
        return [without_secrets(each) for each in facts]
    return HIDDEN if isinstance(facts, str) and facts.startswith(SECRET_BEGINNINGS) else facts


def _is_secret_name(name: str) -> bool:
    return name.endswith(("secret", "password")) or name in ("api_key", "token")


def _row(event: StripeEvent) -> dict[str, Any]:
    hue, icon = LOOKS[State(event.state)]
    return {
        "event": event,
        "url": reverse("event_detail", args=[event.pk]),
        "hue": hue,
        "icon": icon,
        "label": event.get_state_display(),
    }


def _about(event: StripeEvent) -> str:
    """The id of the object that the event points to."""
    data = event.payload.get("data") if isinstance(event.payload, dict) else None
    thing = data.get("object") if isinstance(data, dict) else None
    return str(thing.get("id") or "") if isinstance(thing, dict) else ""


def _chips(conference: Conference, state: str) -> list[dict[str, Any]]:
    counts = StripeEvent.objects.filter(conference=conference).order_by("state").values_list("state")
    by_state = dict(counts.annotate(Count("pk")))
    every = {"label": _("All"), "url": _url(), "count": sum(by_state.values()), "current": not state}
    return [every] + [
        {
            "label": str(each.label),
            "url": _url(state=each.value),
            "count": by_state.get(each.value, 0),
            "current": state == each,
        }
        for each in CHIPS
    ]


def _url(**query: str) -> str:
    asked = urlencode({key: value for key, value in query.items() if value})
    return reverse("event_list") + (f"?{asked}" if asked else "")
