"""Where Stripe reports to us: verify, store, answer; only then look at what it says."""

from __future__ import annotations

import json
import logging
from typing import Any

import stripe
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from registration.models import Conference, StripeEvent
from registration.services import events
from registration.services.rejections import Cause, Rejected, count_rejection

API_VERSION = "2026-10-28.endive"
TOLERANCE_SECONDS = 300
"""How old a signature may be; an event sent again later carries a new one."""

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest, slug: str) -> HttpResponse:
    """Store what Stripe sent for one conference, and answer 200 only once it is stored.

    Answers 400 to whatever is not signed by this conference's endpoint or belongs to another account or mode, and
    5xx when it could not be stored, so that Stripe sends it again.
    """
    conference = get_object_or_404(Conference, slug=slug)
    try:
        payload = verified(request, conference)
        refuse_foreign(payload, conference)
    except (ValueError, TypeError, AttributeError) as error:
        return rejected(conference, error)
    event, made = StripeEvent.objects.get_or_create(
        conference=conference, event_id=payload["id"], defaults={"type": payload["type"], "payload": payload}
    )
    if made:
        act(event)
    return HttpResponse(status=200)


def verified(request: HttpRequest, conference: Conference) -> dict[str, Any]:
    """The event, once its signature proves who sent it and when.

    Raises:
        ValueError: It is not signed with a secret of the conference, or not an event.
        TypeError: The body is null.
        AttributeError: The body is a list.
    """
    refuse_unsigned(request, conference)
    payload = json.loads(request.body)
    names = [payload.get(name) for name in ("id", "type")]
    if not all(isinstance(name, str) and name for name in names) or "object" not in payload.get("data", {}):
        raise Rejected(Cause.BODY)
    return dict(payload)


def refuse_unsigned(request: HttpRequest, conference: Conference) -> None:
    """Let the request pass if one of the conference's secrets signed it; while one is changed there are two.

    Raises:
        Rejected: No secret is set, or none signed it.
    """
    signature = request.headers.get("Stripe-Signature", "")
    secrets = conference.webhook_secrets
    for secret in secrets:
        try:
            stripe.Webhook.construct_event(request.body, signature, secret, tolerance=TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, TypeError):
            continue
        return
    raise Rejected(Cause.SIGNATURE if secrets else Cause.NO_SECRET)


def refuse_foreign(payload: dict[str, Any], conference: Conference) -> None:
    """Refuse an event of another account or mode, and note one in another version of the API.

    Raises:
        Rejected: It is not about this conference's money.
    """
    if payload.get("account"):
        raise Rejected(Cause.ACCOUNT)
    if bool(payload.get("livemode")) != conference.uses_live_key:
        raise Rejected(Cause.MODE)
    if payload.get("api_version") != API_VERSION:
        logger.warning(
            "webhook_api_version conference=%s event=%s version=%s expected=%s",
            conference.slug,
            payload["id"],
            payload.get("api_version"),
            API_VERSION,
        )


def rejected(conference: Conference, error: Exception) -> HttpResponse:
    """Answer 400, store nothing, and count it."""
    cause = error.cause if isinstance(error, Rejected) else Cause.BODY
    count_rejection(conference, cause)
    logger.warning("webhook_rejected conference=%s cause=%s", conference.slug, cause)
    return HttpResponse("Rejected.", status=400, content_type="text/plain")


def act(event: StripeEvent) -> None:
    """Process a stored event at once if that is possible; the queue has it in any case."""
    try:
        events.process(event)
    except DatabaseError:
        logger.exception("webhook_left_in_queue event=%s", event.event_id)
