"""Changes the secret that Stripe signs a conference's events with, without losing one event."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import Conference
from registration.services.errors import RefundError

SECRET = re.compile(r"whsec_[A-Za-z0-9_+/=-]{8,200}", re.ASCII)
LONGEST_OVERLAP = timedelta(days=7)
SECRET_FIELDS = ["stripe_webhook_secret", "old_webhook_secret", "old_webhook_secret_until"]

logger = logging.getLogger(__name__)


@transaction.atomic
def rotate_webhook_secret(
    conference: Conference, *, secret: str, overlap: timedelta = timedelta(hours=24), staff_user: Any = None
) -> Conference:
    """Take a new secret; the one before still counts for a while, because Stripe signs with both when it rolls one.

    Args:
        conference: Only its key is trusted; the row is read again under a lock.
        secret: The new one, as Stripe shows it. It is stored encrypted and never shown again.
        overlap: How long the one before still counts; nothing when it is known to others.
        staff_user: Who changed it; written to the log.

    Raises:
        RefundError: It is no webhook secret, or the one that is in use. Nothing was changed.
    """
    secret = secret.strip()
    if not SECRET.fullmatch(secret):
        raise RefundError(_("Enter the signing secret of the endpoint as Stripe shows it; it begins with whsec_."))
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise RefundError(_("The old secret can count for up to seven days."))
    fresh = Conference.objects.select_for_update(no_key=True).get(pk=conference.pk)
    if secret == fresh.stripe_webhook_secret:
        raise RefundError(_("This is the secret that is in use already."))
    keeps_old = bool(overlap) and bool(fresh.stripe_webhook_secret)
    fresh.old_webhook_secret = fresh.stripe_webhook_secret if keeps_old else ""
    fresh.old_webhook_secret_until = timezone.now() + overlap if keeps_old else None
    fresh.stripe_webhook_secret = secret
    fresh.save(update_fields=SECRET_FIELDS)
    logger.warning("webhook_secret_rotated conference=%s by=%s overlap=%s", fresh.slug, staff_user, overlap)
    return fresh


@transaction.atomic
def end_old_secret(conference: Conference, *, staff_user: Any = None) -> Conference:
    """Let only the newest secret count from now on."""
    fresh = Conference.objects.select_for_update(no_key=True).get(pk=conference.pk)
    fresh.old_webhook_secret, fresh.old_webhook_secret_until = "", None
    fresh.save(update_fields=SECRET_FIELDS[1:])
    logger.warning("webhook_secret_ended conference=%s by=%s", fresh.slug, staff_user)
    return fresh
