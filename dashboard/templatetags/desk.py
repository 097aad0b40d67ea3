"""Presentation only: how a person, a message and a state look. No amounts are computed here."""

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from html import escape
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from dashboard.live import mark_now
from dashboard.names import initials_of
from registration.models import Refund, RefundPart
from registration.refund_ends import TELLS_TWO_ENDS, ended_as, shown_as

register = template.Library()

# (hue, micro icon, words) of every state, as the design names them. The hues are CSS classes; gray is the plain badge.
# Looked up in lower case, because some states are stored in capitals.
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
        "awaiting_approval": ("amber", "hand-raised", _("Waiting for approval")),
        "requested": ("gray", "clock", _("Requested")),
        "unconfirmed": ("amber", "question-mark-circle", _("Being verified")),
        "pending": ("blue", "arrow-path", _("Pending at Stripe")),
        "awaiting_transfer": ("amber", "building-library", _("Pay back by hand")),
        "requires_action": ("amber", "envelope", _("Needs the attendee")),
        "succeeded": ("green", "check", _("Succeeded")),
        "partly": ("amber", "exclamation-triangle", _("Partly succeeded")),
        "failed": ("red", "x-circle", _("Failed")),
        "canceled": ("outline", "no-symbol", _("Cancelled")),
        "undone": ("outline", "arrow-uturn-left", _("Undone")),
        "rejected": ("outline", "no-symbol", _("Rejected")),
        "withdrawn": ("outline", "arrow-uturn-left", _("Withdrawn")),
    },
    "credit": {
        "available": ("violet", "wallet", _("Available")),
        "partly_used": ("violet", "wallet", _("Partly used")),
        "applied": ("gray", "check", _("Used")),
        "expired": ("outline", "clock", _("Expired")),
        "voided": ("outline", "no-symbol", _("Voided")),
        "paid_out": ("gray", "arrow-uturn-left", _("Paid back")),
    },
    "open_item": {
        "unconfirmed": ("amber", "question-mark-circle", _("Being verified")),
        "failed": ("red", "x-circle", _("Refund failed")),
        "external": ("blue", "arrow-top-right-on-square", _("Refunded at Stripe")),
        "unmatched": ("amber", "link-slash", _("Matches no order")),
        "overpaid": ("amber", "plus-circle", _("Overpaid")),
        "paid_late": ("amber", "clock", _("Paid late")),
        "manual_transfer": ("amber", "building-library", _("Pay back by hand")),
        "unsent": ("amber", "paper-airplane", _("Not sent yet")),
        "balance_low": ("amber", "banknotes", _("Stripe balance too low")),
        "slow": ("amber", "clock", _("Slow at Stripe")),
        "approval": ("amber", "hand-raised", _("Waiting for approval")),
        "credit_spent": ("red", "wallet", _("Credit spent, refund failed")),
        "charged_back": ("red", "exclamation-triangle", _("Refunded and charged back")),
        "disputed": ("red", "scale", _("Disputed")),
        "drift": ("amber", "arrows-right-left", _("Differs from Stripe")),
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


def look_of(kind: str, state: str) -> tuple[str, str, Any]:
    """Return hue, icon and words of a state; one the design does not name gets its own words and no colour."""
    unnamed = ("outline", "question-mark-circle", str(state).replace("_", " ").capitalize())
    return STATES[kind].get(str(state).lower(), unnamed)


@register.simple_tag
def state_badge(kind: str, state: str, label: str = "", large: bool = False) -> SafeString:
    """Draw the badge of a state; ``label`` replaces its usual words ("Finished, 7 failed")."""
    if label:
        return _badge(kind, state, label, large)
    return _usual_badge(kind, str(state), large, get_language())


def _badge(kind: str, state: str, label: str, large: bool) -> SafeString:
    hue, icon, words = look_of(kind, state)
    look = {"hue": hue, "icon": icon, "label": label or words, "large": large}
    return render_to_string("includes/_badge.html", look)


@lru_cache(maxsize=256)
def _usual_badge(kind: str, state: str, large: bool, _language: str | None) -> SafeString:
    """The same for every row in this state: drawn once."""
    return _badge(kind, state, "", large)


@register.filter
def state_label(state: str, kind: str) -> str:
    """Return the words of a state, for a sentence or a preview: ``{{ order.status|state_label:"order" }}``."""
    return str(look_of(kind, state)[2])


@register.filter
def shown_state(refund: Refund) -> str:
    """Return the state of a refund as its badge names it: taken back here is not what others ended, nor some all."""
    return shown_as(refund)


@register.filter
def shown_part_state(part: RefundPart) -> str:
    """Return the state of one part as its badge names it."""
    is_taken_back = part.state in TELLS_TWO_ENDS and part.state == part.refund.state
    return ended_as(part.refund) if is_taken_back else str(part.state)


@register.filter
def person(user: Any) -> str:
    """Return the name a colleague is known by."""
    return str(user.get_full_name() or user.get_username())


@register.filter
def initials(who: Any) -> str:
    """Return up to two letters for an avatar, from a user or from a name."""
    return initials_of(person(who) if hasattr(who, "get_username") else str(who or ""))


@register.simple_tag(takes_context=True)
def live_mark(context: dict[str, Any]) -> str:
    """Return how much the page knows that is being drawn; its script asks on from there."""
    live = context.get("live")
    return str(mark_now(context["desk"].waiting, live.page if live else "", live.newest if live else None))


def lines_of(lines: Iterable[str]) -> SafeString:
    """Join the lines of a message of which some lead somewhere; those that do not are escaped."""
    return SafeString("\n".join(conditional_escape(line) for line in lines if line))


@register.filter
def headline(message: Any) -> str:
    """Return the first line of a message."""
    return _lines(message)[0]


def _lines(message: Any) -> list[str]:
    """The lines of a message, as safe as it is itself."""
    text = str(message)
    lines = text.split("\n")
    return [SafeString(line) for line in lines] if isinstance(text, SafeString) else lines


@register.filter
def details(message: Any) -> list[str]:
    """Return the lines of a message after its first."""
    return [line for line in _lines(message)[1:] if line.strip()]


@register.filter
def moment(when: datetime | None) -> str:
    """Say when something was: "today 10:07", "4 March 08:31", and in another year "14 January 2027"."""
    if when is None:
        return ""
    local, now = timezone.localtime(when), timezone.localtime()
    if local.date() == now.date():
        return gettext("today %(time)s") % {"time": date_format(local, "H:i")}
    if local.year == now.year:
        return f"{date_format(local, 'MONTH_DAY_FORMAT')} {date_format(local, 'H:i')}"
    return date_format(local, "DATE_FORMAT")


@register.filter
def age(when: datetime | None) -> SafeString | str:
    """Say how long ago something was, in the largest unit that fits, with the full date on hover."""
    return Ages().of(when) if when is not None else ""


class Ages:
    """Says how long ago things were for one reader at one moment: a list says it in every row."""

    def __init__(self) -> None:
        """Look at the clock, and at who reads."""
        self._now, self._zone, self._language = timezone.now(), timezone.get_current_timezone(), get_language()

    def of(self, when: datetime) -> SafeString:
        """As ``age`` says it."""
        minutes = max(0, int((self._now - when).total_seconds() // 60))
        local = when.astimezone(self._zone)
        full = f"{_day(local.date(), self._language)}, {local:%H:%M} {local.tzname()}"
        said = _length(minutes, self._language)
        return SafeString(f'<time datetime="{when.isoformat()}" title="{escape(full)}">{escape(said)}</time>')


@lru_cache(maxsize=512)
def _day(day: date, _language: str | None) -> str:
    """A date in words; a list says few of them again and again."""
    return date_format(day, "DATE_FORMAT")


@lru_cache(maxsize=512)
def _length(minutes: int, _language: str | None) -> str:
    """Return "now", "38 min", "5 h" or "19 d"."""
    if minutes < 1:
        return gettext("now")
    if minutes < 60:
        return gettext("%(count)s min") % {"count": minutes}
    if minutes < 48 * 60:
        return gettext("%(count)s h") % {"count": minutes // 60}
    return gettext("%(count)s d") % {"count": minutes // (24 * 60)}
