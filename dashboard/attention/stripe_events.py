"""What Stripe told us, for finance and administrators: what became of each event, and its raw facts."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.forms.webhook_secret import SecretForm
from dashboard.lists.unread import Asked
from dashboard.templatetags.desk import moment
from registration.models import Conference, StripeEvent
from registration.services.event_queue import LOOK_AGAIN
from registration.services.events import MOST_ATTEMPTS
from registration.webhooks import API_VERSION

State = StripeEvent.State
REPLAY = "registration.change_stripeevent"
ROTATE = "registration.change_conference"
SUBSCRIBED = ("refund.*", "charge.refunded", "charge.dispute.*", "payment_intent.*")
"""What the endpoint at Stripe must be told to send."""
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
    asked = Asked(request)
    state, words = asked.choice("state", State.values, _("State")), asked.words(_("Search"))
    events = found(StripeEvent.objects.filter(conference=conference), words)
    page = asked.page((events.filter(state=state) if state else events).defer("payload"), "id", descending=True)
    chips = _chips(conference, state, words)
    may_replay = request.user.has_perm(REPLAY)
    return {
        "conference": conference,
        "state": state,
        "words": words,
        "unread": asked.unread,
        "chips": chips,
        "events": [_row(event) for event in page.rows],
        "newer_url": _url(state=state, q=words, before=page.before) if page.before else "",
        "older_url": _url(state=state, q=words, after=page.after) if page.after else "",
        "summary": _("Newest first"),
        "rejections": rejections_of(conference),
        "may_retry": may_replay and StripeEvent.objects.filter(conference=conference, state=State.FAILED).exists(),
        "may_replay": may_replay,
        "may_rotate": request.user.has_perm(ROTATE),
        "list_url": _url(),
    }


def found(events: QuerySet[StripeEvent], words: str) -> QuerySet[StripeEvent]:
    """Those with this id or type, or about the object with this id; a type matches by its beginning."""
    if not words:
        return events
    about = Q(payload__data__object__id=words) if "_" in words else Q()
    return events.filter(Q(event_id=words) | Q(type__startswith=words.lower()) | about)


def rejections_of(conference: Conference) -> list[str]:
    """What the webhook turned away, by cause, the latest first."""
    return [
        _("%(cause)s: %(count)s, last %(when)s")
        % {"cause": each.get_cause_display(), "count": each.count, "when": moment(each.last_at)}
        for each in conference.webhook_rejections.all()
    ]


def secret_context(request: HttpRequest, conference: Conference, form: SecretForm) -> dict[str, Any]:
    """What Stripe must be told to send events here, and whether secrets are set; never a secret."""
    last = StripeEvent.objects.filter(conference=conference).exclude(type=LOOK_AGAIN).order_by("-pk").first()
    until = conference.old_webhook_secret_until
    return {
        "conference": conference,
        "form": form,
        "endpoint": request.build_absolute_uri(reverse("stripe_webhook", args=[conference.slug])),
        "api_version": API_VERSION,
        "event_types": ", ".join(SUBSCRIBED),
        "is_set": bool(conference.stripe_webhook_secret),
        "old_until": until if len(conference.webhook_secrets) > 1 else None,
        "last_at": last.received_at if last else None,
        "rejections": rejections_of(conference),
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


def _chips(conference: Conference, state: str, words: str) -> list[dict[str, Any]]:
    counts = found(StripeEvent.objects.filter(conference=conference), words).order_by("state").values_list("state")
    by_state = dict(counts.annotate(Count("pk")))
    every = {"label": _("All"), "url": _url(q=words), "count": sum(by_state.values()), "current": not state}
    return [every] + [
        {
            "label": str(each.label),
            "url": _url(state=each.value, q=words),
            "count": by_state.get(each.value, 0),
            "current": state == each,
        }
        for each in CHIPS
    ]


def _url(**query: str) -> str:
    asked = urlencode({key: value for key, value in query.items() if value})
    return reverse("event_list") + (f"?{asked}" if asked else "")
