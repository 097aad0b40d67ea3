"""How credits, their movements and an attendee's balance read. Amounts come in computed and go out as text."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from dashboard.addresses import key_address, order_address
from dashboard.templatetags.desk import person, state_label
from registration.credit_ledger import Movement
from registration.models import Conference, Credit, CreditEntry, Order
from registration.money import ZERO, format_amount, format_money
from registration.search import fold, words
from registration.statement import SOON, Balance, CreditPlan

Row = dict[str, Any]
SCALE, GAP = 1000, 3
DAY_MINUTES, HOUR_MINUTES = 24 * 60, 60


def credit_state(credit: Credit) -> str:
    """The key of a credit's badge; one whose time is over counts as expired before the nightly job says so."""
    if credit.status != Credit.Status.AVAILABLE:
        return credit.status.lower()
    if credit.expires_at is not None and credit.expires_at <= timezone.now():
        return "expired"
    return "available" if credit.remaining_amount >= credit.amount else "partly_used"


def local_day(moment: datetime, conference: Conference) -> date:
    """The day a moment falls on where the conference is."""
    return timezone.localtime(moment, ZoneInfo(conference.timezone)).date()


@lru_cache(maxsize=1024)
def _short(day: date, _language: str | None) -> str:
    """A day as tables write it; they name few of them, again and again."""
    return date_format(day, "SHORT_DATE_FORMAT")


def days_left(credit: Credit) -> int | None:
    """Whole days until a spendable credit expires, when that is soon."""
    if not credit.is_spendable or credit.expires_at is None or credit.expires_at > timezone.now() + SOON:
        return None
    return (local_day(credit.expires_at, credit.conference) - local_day(timezone.now(), credit.conference)).days


def credit_row(credit: Credit) -> Row:
    """One line of a table of credits."""
    soon = days_left(credit)
    return {
        "credit": credit,
        "state": credit_state(credit),
        "expires": _short(local_day(credit.expires_at, credit.conference), get_language())
        if credit.expires_at
        else "–",
        "soon": "" if soon is None else _("%(days)s d") % {"days": soon},
        "amount": format_amount(credit.amount, credit.currency),
        "left": format_amount(credit.remaining_amount, credit.currency),
        "left_money": format_money(credit.remaining_amount, credit.currency),
    }


def balance_card(balance: Balance, next_to_expire: Credit | None) -> Row:
    """The head of the attendee page: how much, in which parts, and what expires next."""
    return {
        "available": format_money(balance.available, balance.currency),
        "issued": format_money(balance.issued, balance.currency),
        "parts": _bar(balance),
        "expiry": _expiry(next_to_expire),
    }


def _bar(balance: Balance) -> list[Row]:
    shown = [
        ("violet", _("Available"), balance.available),
        ("refunded", _("Used"), balance.used),
        ("expired", _("Expired"), balance.expired),
        ("left", _("Voided"), balance.voided),
    ]
    parts, start = [], 0
    for index, (tone, label, amount) in enumerate(shown):
        if index == len(shown) - 1 and amount <= 0:
            continue
        width = int(amount * SCALE / balance.issued) if balance.issued > 0 and amount > 0 else 0
        parts.append(_part(tone, label, format_money(amount, balance.currency), start, width))
        start += width
    return parts


def _part(tone: str, label: str, amount: str, start: int, width: int) -> Row:
    return {"tone": tone, "label": label, "amount": amount, "x": start, "width": max(width - GAP, 1) if width else 0}


def _expiry(credit: Credit | None) -> str:
    if credit is None or credit.expires_at is None:
        return ""
    day, soon = date_format(local_day(credit.expires_at, credit.conference), "DATE_FORMAT"), days_left(credit)
    facts = {"amount": format_money(credit.remaining_amount, credit.currency), "day": day, "days": soon or 0}
    if soon is None:
        return _("%(amount)s expires on %(day)s") % facts
    if soon == 0:
        return _("%(amount)s expires today") % facts
    return (
        ngettext(
            "%(amount)s expires on %(day)s, in %(days)s day", "%(amount)s expires on %(day)s, in %(days)s days", soon
        )
        % facts
    )


def ledger_row(movement: Movement, *, within_credit: bool = False) -> Row:
    """One line of a ledger; inside one credit its number need not be said again."""
    entry = movement.entry
    currency = entry.credit.currency
    plus, local = entry.amount > 0, timezone.localtime(entry.created_at)
    return {
        "entry": entry,
        "at": local.isoformat(),
        "day": _short(local.date(), get_language()),
        "what": movement_name(entry, within_credit=within_credit),
        "detail": movement_detail(entry, within_credit=within_credit),
        "url": _url(entry, within_credit),
        "by": moved_by(entry),
        "amount": ("+" if plus else "") + format_money(entry.amount, currency),
        "plus": plus,
        "balance": format_money(movement.balance, currency),
    }


def moved_by(entry: CreditEntry) -> str:
    """Who moved it; nobody did what the desk does by itself."""
    return person(entry.actor) if entry.actor else _("Automatic")


def movement_name(entry: CreditEntry, *, within_credit: bool = False) -> str:
    """What happened, in words; inside one credit its number need not be said again."""
    facts = {"number": entry.credit.number, "order": entry.order.reference if entry.order else ""}
    kind = CreditEntry.Kind(entry.kind)
    if kind == CreditEntry.Kind.APPLIED and entry.order:
        return _("Applied to %(order)s") % facts
    if kind == CreditEntry.Kind.RESTORED and entry.order:
        return _("Returned from %(order)s") % facts
    if within_credit:
        return str(kind.label)
    if kind == CreditEntry.Kind.ISSUED:
        return _("Issued as %(number)s") % facts
    return _("%(movement)s, %(number)s") % {"movement": kind.label, **facts}


def movement_detail(entry: CreditEntry, *, within_credit: bool = False) -> str:
    """Where a movement came from or went to, and the reason that somebody gave."""
    parts = []
    if entry.kind == CreditEntry.Kind.ISSUED:
        parts.append(origin(entry.credit, entry.order))
    elif entry.kind == CreditEntry.Kind.APPLIED and not within_credit:
        parts.append(_("From %(number)s") % {"number": entry.credit.number})
    elif entry.kind == CreditEntry.Kind.RESTORED and not within_credit:
        parts.append(_("To %(number)s") % {"number": entry.credit.number})
    said = entry.kind == CreditEntry.Kind.PAID_OUT or (entry.order and entry.reason == entry.order.reference)
    return " · ".join(filter(None, [*parts, "" if said else str(entry.reason)]))


def origin(credit: Credit, order: Order | None) -> str:
    """Where a credit came from, in words."""
    if credit.kind == Credit.Kind.GOODWILL:
        return _("Goodwill, %(order)s") % {"order": order.reference} if order else _("Goodwill")
    return _("Refund of %(order)s") % {"order": order.reference} if order else _("Refund")


def _url(entry: CreditEntry, within_credit: bool) -> str:
    if entry.order and entry.kind in (CreditEntry.Kind.APPLIED, CreditEntry.Kind.RESTORED):
        return order_address("order_detail", entry.order.reference)
    return "" if within_credit else key_address("credit_detail", entry.credit_id)


def marked(text: str, query: str) -> SafeString:
    """The text with the beginnings that were searched for marked."""
    asked = sorted(words(query), key=len, reverse=True)
    parts = []
    for part in re.split(r"(\w+)", text):
        length = next((len(word) for word in asked if fold(part).startswith(word)), 0)
        parts.append((part[:length], part[length:]))
    return format_html_join("", "{}{}", ((_mark(start), rest) for start, rest in parts))


def _mark(start: str) -> SafeString | str:
    return format_html("<mark>{}</mark>", start) if start else ""


def pending_row(order: Order) -> Row:
    """An order that waits for money: what, how long it is held, how much is due."""
    lines = [line.description for line in order.line_items.all()]
    more = len(lines) - 1
    what = lines[0] if lines else ""
    if more > 0:
        what = ngettext("%(first)s and %(more)s more", "%(first)s and %(more)s more", more) % {
            "first": what,
            "more": more,
        }
    return {"order": order, "what": what, "held": held(order), "due": format_money(order.due_amount, order.currency)}


def held(order: Order) -> str:
    """How long the order is still held, to the minute."""
    if order.hold_expires_at is None:
        return _("Held without a time limit")
    minutes = int((order.hold_expires_at - timezone.now()).total_seconds() // 60)
    if minutes < 0:
        return _("The hold has run out")
    days, hours, rest = minutes // DAY_MINUTES, minutes % DAY_MINUTES // HOUR_MINUTES, minutes % HOUR_MINUTES
    if days:
        return _("Held for %(days)s d %(hours)s h") % {"days": days, "hours": hours}
    if hours:
        return _("Held for %(hours)s h %(minutes)s min") % {"hours": hours, "minutes": rest}
    return _("Held for %(minutes)s min") % {"minutes": rest}


def order_row(order: Order) -> Row:
    """One line of the attendee's orders; of one that waits for the rest of its payment nothing can go back."""
    left = ZERO if order.status == Order.Status.PENDING else order.refundable_amount
    return {
        "order": order,
        "url": order_address("order_detail", order.reference),
        "day": _short(timezone.localtime(order.created_at).date(), get_language()),
        "state": order.status.lower(),
        "total": format_amount(order.total, order.currency),
        "has_left": left > 0,
        "left": format_amount(left, order.currency),
    }


def plan_rows(plan: CreditPlan) -> list[Row]:
    """What applying credit changes, for the preview."""
    order, currency = plan.order, plan.order.currency
    waits = state_label(order.status.lower(), "order")
    paid = state_label("paid", "order")
    paying = [change_row(c.number, c.remaining_amount, c.remaining_amount - take, currency) for c, take in plan.parts]
    held = sum((credit.remaining_amount for credit, _take in plan.parts), ZERO)
    # One credit that pays alone says by its own line what becomes of all that was ticked.
    is_all = len(paying) == 1 and held == plan.credit_before
    rows = paying if is_all else [change_row(_("Credit"), plan.credit_before, plan.credit_after, currency), *paying]
    rows.append(change_row(_("Order due"), order.due_amount, plan.due_after, currency))
    if plan.pays_in_full:
        rows.append({"label": _("Status"), "was": waits, "now": paid, "hue": "green"})
    else:
        rows.append({"label": _("Status"), "now": _("Stays %(status)s") % {"status": waits}})
    return rows


def change_row(label: str, was: Decimal, now: Decimal, currency: str) -> Row:
    """One line of a preview: an amount before and after."""
    return {"label": label, "was": format_money(was, currency), "now": format_money(now, currency)}
