"""The cells of an order's row as HTML.

A page draws 25 rows of them, so what repeats (icons, badges, bars) is drawn by its template once and kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from heroicons.templatetags.heroicons import heroicon_micro

from dashboard.order_facts import Action, bar_of, second_line
from dashboard.templatetags.desk import look_of
from registration.models import Order
from registration.money import format_amount

NOTHING = SafeString("")


def select_cell(order: Order) -> SafeString:
    """A box of the form below the table."""
    return format_html(
        '<label class="hit"><span class="visually-hidden">{}</span><input class="form-check-input" type="checkbox"'
        ' name="order" value="{}" form="selection" autocomplete="off"></label>',
        _("Select %(reference)s") % {"reference": order.reference},
        order.reference,
    )


def left_cell(order: Order) -> SafeString:
    """What can still go back, over its share of what was paid."""
    strong = " strong" if order.refundable_amount else ""
    amount = format_amount(order.refundable_amount, order.currency)
    bar = bar_of(order)
    drawn = _bar(bar["left"], bar["moving"]) if bar else NOTHING
    return format_html('<span class="amt{}">{}</span>{}', strong, amount, drawn)


def status_cell(order: Order) -> SafeString:
    """The state and what else deserves a look."""
    badge, line = _badge(order.status, get_language()), second_line(order)
    if line is None:
        return badge
    tone = f" {line.tone}" if line.tone else ""
    return format_html('{}<span class="sub{}">{}</span>', badge, tone, line.text)


def actions_cell(order: Order, action: Action | None, reason: str, stripe_url: str) -> SafeString:
    """The one useful thing to do, and a menu with the rest and with why nothing can be refunded."""
    about = _("More about %(reference)s") % {"reference": order.reference}
    note = format_html('<p class="menu-note">{}</p>', reason) if reason else NOTHING
    order_url = reverse("order_detail", args=[order.reference])
    attendee_url = reverse("attendee_detail", args=[order.user_id])
    return format_html(
        '<div class="acts">{}<details class="menu"><summary class="btn btn-ghost btn-icon btn-sm" aria-label="{}">{}'
        '</summary><div class="menu-panel">{}{}{}{}</div></details></div>',
        _button(order, action) if action else NOTHING,
        about,
        _icon("ellipsis-horizontal"),
        note,
        _link(order_url, "document-text", _("Open order")),
        _link(attendee_url, "wallet", _("Attendee’s credits")),
        _link(stripe_url, "arrow-top-right-on-square", _("View in Stripe"), outside=True) if stripe_url else NOTHING,
    )


def _button(order: Order, action: Action) -> SafeString:
    drawer = format_html(' hx-get="{}" hx-target="#drawer"', action.url) if action.drawer else NOTHING
    key = format_html(' data-key="{}"', action.key) if action.key else NOTHING
    return format_html(
        '<a class="btn btn-sm" id="{}-{}" href="{}"{}{} data-row-id="order-{}">{}'
        '<span class="visually-hidden"> {}</span></a>',
        action.kind,
        order.reference,
        action.url,
        key,
        drawer,
        order.reference,
        action.label,
        order.reference,
    )


def _link(url: str, icon: str, label: str, *, outside: bool = False) -> SafeString:
    target = SafeString(' rel="noreferrer" target="_blank"') if outside else NOTHING
    return format_html('<a href="{}"{}>{}{}</a>', url, target, _icon(icon), label)


@lru_cache(maxsize=32)
def _icon(name: str) -> SafeString:
    attributes: dict[str, Any] = {"class": "i", "aria_hidden": "true"}
    return SafeString(heroicon_micro(name, **attributes))


@lru_cache(maxsize=64)
def _badge(status: str, _language: str | None) -> SafeString:
    hue, icon, label = look_of("order", status)
    return SafeString(render_to_string("includes/_badge.html", {"hue": hue, "icon": icon, "label": label}).strip())


@lru_cache(maxsize=4096)
def _bar(left: int, moving: int) -> SafeString:
    return SafeString(render_to_string("includes/_money_bar.html", {"left": left, "moving": moving}).strip())
