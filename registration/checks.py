"""System checks: which Stripe a key may be sent to."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import OperationalError, ProgrammingError

STRIPE = "https://api.stripe.com"


def talks_to_stripe_itself() -> bool:
    """Whether the configured base is Stripe's own."""
    return (settings.STRIPE_API_BASE or STRIPE).rstrip("/") == STRIPE


def check_demo_mode(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Demo mode never talks to Stripe itself."""
    if settings.DEMO_MODE and talks_to_stripe_itself():
        return [Error("Demo mode needs STRIPE_API_BASE to point at the sandbox.", id="registration.E001")]
    return []


def check_live_keys(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A live key is never sent to a base other than Stripe's."""
    if talks_to_stripe_itself() or not databases:
        return []
    try:
        live = [c.slug for c in apps.get_model("registration", "Conference").objects.all() if c.uses_live_key]
    except (OperationalError, ProgrammingError):
        return []  # The tables are not there yet; the gateway refuses such a key as well.
    return [
        Error(f"Conference {slug} has a live Stripe key, but STRIPE_API_BASE is not Stripe's.", id="registration.E002")
        for slug in live
    ]


def register_checks() -> None:
    """Hook the checks into Django's start."""
    register(check_demo_mode, Tags.security)
    register(check_live_keys, Tags.database)
