"""Presentation only: how a person, a message and a state look. No amounts are computed here."""

from typing import Any

from django import template
from django.utils.translation import gettext_lazy as _

register = template.Library()

# (hue, micro icon, words) of every state, as the design names them. The hues are CSS classes; gray is the plain badge.
STATES: dict[str, dict[str, tuple[str, str, Any]]] = {
    "order": {
        "pending": ("outline", "clock", _("Pending payment")),
        "paid": ("green", "check", _("Paid")),
        "partially_refunded": ("blue", "arrow-uturn-left", _("Partially refunded")),
        "refunded": ("gray", "arrow-uturn-left", _("Refunded")),
        "cancelled": ("outline", "no-symbol", _("Cancelled")),
    },
    "payment": {
        "pending": ("gray", "clock", _("Pending")),
        "processing": ("blue", "arrow-path", _("Processing")),
        "succeeded": ("green", "check", _("Succeeded")),
        "failed": ("red", "x-circle", _("Failed")),
        "refunded": ("gray", "arrow-uturn-left", _("Refunded")),
    },
    "refund": {
        "requested": ("gray", "clock", _("Requested")),
        "pending": ("blue", "arrow-path", _("Pending at Stripe")),
        "succeeded": ("green", "check", _("Succeeded")),
        "failed": ("red", "x-circle", _("Failed")),
        "unknown": ("amber", "question-mark-circle", _("Being verified")),
        "cancelled": ("outline", "no-symbol", _("Cancelled")),
    },
    "credit": {
        "available": ("violet", "wallet", _("Available")),
        "partly_used": ("violet", "wallet", _("Partly used")),
        "used": ("gray", "check", _("Used")),
        "expired": ("outline", "clock", _("Expired")),
    },
    "bulk": {
        "queued": ("gray", "clock", _("Queued")),
        "running": ("blue", "play", _("Running")),
        "paused": ("amber", "pause", _("Paused")),
        "done": ("green", "check", _("Finished")),
        "done_with_failures": ("amber", "exclamation-triangle", _("Finished with failures")),
        "stopped": ("outline", "stop-circle", _("Stopped")),
    },
}
UNNAMED_STATE = ("outline", "question-mark-circle")


@register.inclusion_tag("includes/_badge.html")
def state_badge(kind: str, state: str, label: str = "", large: bool = False) -> dict[str, Any]:
    """Draw the badge of a state; ``label`` replaces its usual words ("Finished, 7 failed")."""
    hue, icon, words = STATES[kind].get(str(state), (*UNNAMED_STATE, str(state).replace("_", " ").capitalize()))
    return {"hue": hue, "icon": icon, "label": label or words, "large": large}


@register.filter
def state_label(state: str, kind: str) -> str:
    """Return the words of a state, for a sentence or a preview: ``{{ order.status|state_label:"order" }}``."""
    return str(STATES[kind][str(state)][2]) if str(state) in STATES[kind] else str(state)


@register.filter
def person(user: Any) -> str:
    """Return the name a colleague is known by."""
    return user.get_full_name() or user.get_username()


@register.filter
def initials(who: Any) -> str:
    """Return up to two letters for an avatar, from a user or from a name."""
    words = (person(who) if hasattr(who, "get_username") else str(who or "")).replace("@", " ").split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


@register.filter
def headline(message: Any) -> str:
    """Return the first line of a message."""
    return str(message).partition("\n")[0]


@register.filter
def details(message: Any) -> list[str]:
    """Return the lines of a message after its first."""
    return [line for line in str(message).split("\n")[1:] if line.strip()]
