"""What the refund panel shows around its form: instruments, ways, what has happened since, the preview."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.forms.refund import RefundForm
from dashboard.names import attendee_name, first_name
from dashboard.orders.lines import without_lines
from dashboard.refunds.again import again_context
from dashboard.refunds.lines import line_rows, lines_of
from dashboard.refunds.radar import radar_context
from dashboard.refunds.refusal import problems, refund_refusal, stopped
from dashboard.refusal import said_below
from registration.models import Order, Payment, Refund, RefundPart
from registration.money import SYMBOLS, ZERO, format_money, places
from registration.services.fees import fee_kept
from registration.services.limits import is_limited, refunded_today, why_above_limit
from registration.services.lines import left_on_the_lines
from registration.services.planner import PlannedPart, RefundPlan, channel_of, usable

Destination = Refund.Destination
Channel = RefundPart.Channel


@dataclass
class Way:
    """One choice of where the money goes."""

    value: str
    label: str
    text: str
    checked: bool


def _fee_kept(form: RefundForm) -> str:
    kept = ZERO if form.for_item else min(fee_kept(form.order), form.ceiling)
    return money(form.order, kept) if kept else ""


def panel_context(request: HttpRequest, form: RefundForm, *, changed: Sequence[str] = ()) -> dict[str, Any]:
    """All that the panel needs, in the drawer and as a page."""
    order = form.order
    return {
        "order": order,
        "form": form,
        "attendee": attendee_name(order),
        "first_name": first_name(order),
        "paid": money(order, order.paid_amount),
        "refundable": money(order, form.ceiling),
        "instruments": ", ".join(dict.fromkeys(p.instrument for p in order.payments.all() if p.is_captured)),
        "blocked": form.blocked,
        "limit": _limit(order, request.user),
        "fee_kept": _fee_kept(form),
        "changed": changed,
        "modes": [(value, label, form["mode"].value() == value) for value, label in form.fields["mode"].choices],  # type: ignore[attr-defined]
        "lines": lines_of(form),
        "without_lines": without_lines(order, left_on_the_lines(order, form.line_items), form.ceiling),
        "ways": _ways(form, request.user),
        "tenders": _tenders(order),
        "reasons": [(*option, option[0] == str(form["reason"].value())) for option in form.reason_options()],
        "symbol": SYMBOLS.get(order.currency, order.currency),
        "whole": places(order.currency) == 0,
        "problems": problems(form),
        **again_context(form),
        **page_urls(order),
        **preview_context(form, request.user, is_summed_up=bool(problems(form))),
    }


def preview_context(form: RefundForm, user: Any, *, is_summed_up: bool = False) -> dict[str, Any]:
    """The consequence of what is filled in so far for this user, and the button that causes it."""
    plan = form.plan
    order = form.order
    above = why_above_limit(order, plan.total_out, user) if plan else ""
    total = money(order, plan.total_out) if plan else ""
    twice = plan is not None and plan.destination == Destination.CARD_AND_CREDIT
    confirmed = plan is not None and form["confirm_total"].value() == str(plan.total_out)
    unsure = form.is_repeat and not form.has_confirmed_repeat
    rows = [*line_rows(form), *preview_rows(order, plan), *_approval_rows(above)] if plan else []
    refusal = None if plan else refund_refusal(form, is_summed_up=is_summed_up or "summed_up" in form.data)
    return {
        "order": order,
        "form": form,
        "first_name": first_name(order),
        "rows": rows,
        "refusal": refusal,
        "said": said_below(form, _places_below(form)),
        "button": _verb(twice, bool(above)),
        "button_with_amount": _button(total, twice, bool(above)) if plan else "",
        "above": above,
        "twice": twice,
        "total": total,
        "total_value": str(plan.total_out) if plan else "",
        "once": money(order, plan.amount) if plan else "",
        "gift": money(order, plan.goodwill_amount) if plan else "",
        "confirmed": confirmed,
        **stopped(refusal, "confirm_total" if twice and not confirmed else "confirm_repeat" if unsure else ""),
        **radar_context(form, first_name(order)),
    }


def _approval_rows(above: str) -> list[dict[str, str]]:
    """Who has to agree, when the user cannot decide alone."""
    return [{"label": _("Approval"), "now": _("A second person decides"), "hue": "amber"}] if above else []


def preview_rows(order: Order, plan: RefundPlan) -> list[dict[str, str]]:
    """What changes: balance, status, who gets what, and what it costs when that is more."""
    before, after = plan.status_before, plan.status_after
    rows = [
        {
            "label": _("Refundable"),
            "was": money(order, plan.refundable_before),
            "now": money(order, plan.refundable_after),
        },
        {
            "label": _("Status"),
            "was": str(Order.Status(before).label) if before != after else "",
            "now": str(Order.Status(after).label),
        },
    ]
    gets = [f"{money(order, part.amount)} {where(part)}" for part in plan.parts]
    if plan.goodwill_amount:
        gets.append(_("%(amount)s as goodwill credit") % {"amount": money(order, plan.goodwill_amount)})
    rows.append({"label": _("%(name)s gets") % {"name": first_name(order)}, "now": ", ".join(gets)})
    if plan.fee_amount:
        kept = _("%(fee)s, can still be refunded") % {"fee": money(order, plan.fee_amount)}
        rows.append({"label": _("Kept as a fee"), "now": kept})
    if plan.goodwill_amount:
        text = _("%(total)s for a refund of %(amount)s")
        cost = text % {"total": money(order, plan.total_out), "amount": money(order, plan.amount)}
        rows.append({"label": _("Total cost"), "now": cost, "hue": "amber"})
    return rows


def where(part: PlannedPart | RefundPart) -> str:
    """Where one part goes, to follow an amount."""
    instrument = part.payment.instrument
    if part.channel == Channel.STORE_CREDIT:
        return _("as store credit")
    if part.channel == Channel.CREDIT_RETURN:
        number = part.payment.credit.number if part.payment.credit else instrument
        return _("back to credit %(number)s") % {"number": number}
    if part.channel == Channel.MANUAL:
        paid = paid_by(part.payment)
        return _("by hand, paid by %(instrument)s") % {"instrument": paid} if paid else _("by hand")
    return _("on %(instrument)s") % {"instrument": instrument}


def paid_by(payment: Payment) -> str:
    """What goes back by hand was paid with; empty for what came by hand too, which says nothing more."""
    return "" if payment.method == Payment.Method.MANUAL else payment.instrument


def money(order: Order, amount: Decimal) -> str:
    """An amount of the order's currency, with its symbol."""
    return format_money(amount, order.currency)


def _limit(order: Order, user: Any) -> str:
    """What the user may refund alone, where less than everything."""
    conference = order.conference
    if not is_limited(conference, user):
        return ""
    at_once, a_day = conference.support_refund_limit, conference.support_daily_limit
    limits = [] if at_once is None else [_("up to %(limit)s at once") % {"limit": money(order, at_once)}]
    if a_day is not None:
        left = max(a_day - refunded_today(conference, user), ZERO)
        limits.append(_("%(left)s in all for the rest of today") % {"left": money(order, left)})
    values = {"limits": _(" and ").join(limits)}
    return _("You can refund %(limits)s; above that you propose it and a second person decides.") % values


def _places_below(form: RefundForm) -> list[tuple[str, str]]:
    """The fields that can be wrong as soon as something is entered, as far as the panel draws them."""
    # A text field that is drawn is sent, also when nothing was entered.
    drawn = dict.fromkeys(("lines", *form.counts.values()), form.for_item is None)
    drawn["credit_amount"] = "credit_amount" in form.data
    names = ("lines", *form.counts.values(), "amount", "fee_amount", "fee_percent", "credit_amount")
    return [(name, f"id_{name}_error") for name in names if drawn.get(name, True)]


def offers_both(order: Order, user: Any) -> bool:
    """Whether the panel draws the way that pays out twice, with its warning."""
    return bool(user.has_perm("registration.refund_goodwill")) and bool(_open_cards(order.payments.all()))


def _open_cards(payments: Iterable[Payment]) -> list[Payment]:
    return [payment for payment in payments if usable(payment) and channel_of(payment) == Channel.STRIPE]


def _ways(form: RefundForm, user: Any) -> list[Way]:
    order, chosen = form.order, form["destination"].value()
    open_payments = [payment for payment in order.payments.all() if usable(payment)]
    cards = _open_cards(open_payments)
    has_card = bool(cards)
    instruments = ", ".join(dict.fromkeys(payment.instrument for payment in cards or open_payments))
    arrives = _("%(instruments)s. Arrives in 5 to 10 business days.") if has_card else "%(instruments)s"
    conference = {"conference": order.conference.name}
    texts = {
        Destination.CARD: (
            _("Original card") if has_card else _("The way it was paid"),
            arrives % {"instruments": instruments},
        ),
        Destination.CREDIT: (_("Store credit"), _("Usable at once, on %(conference)s orders only.") % conference),
        Destination.SPLIT: (_("Part to the card, part as store credit"), _("You say how much becomes credit.")),
        Destination.CARD_AND_CREDIT: (
            _("Card refund plus the same again as goodwill credit"),
            _("Pays out twice. Needs a note."),
        ),
    }
    offered = [Destination.CARD, Destination.CREDIT]
    if has_card:
        offered.append(Destination.SPLIT)
    if has_card and user.has_perm("registration.refund_goodwill"):
        offered.append(Destination.CARD_AND_CREDIT)
    return [Way(way.value, *texts[way], way.value == chosen) for way in offered]


def _tenders(order: Order) -> list[dict[str, str]]:
    """What can go back per payment, told when it is not simply one card."""
    payments = [payment for payment in order.payments.all() if payment.is_captured and payment.amount > 0]
    if len(payments) == 1 and channel_of(payments[0]) == Channel.STRIPE:
        return []
    return [
        {"label": payment.instrument, "left": money(order, payment.refundable_amount), "text": _tender_text(payment)}
        for payment in payments
    ]


def _tender_text(payment: Payment) -> str:
    if payment.is_disputed:
        return _("Disputed, cannot go back now")
    texts = {
        Channel.CREDIT_RETURN: _("Paid with credit, goes back as credit"),
        Channel.MANUAL: _("Has to be paid back by hand"),
    }
    return texts.get(Channel(channel_of(payment)), "")


def _verb(twice: bool, above: bool) -> str:
    """What the button does, while no amount is known."""
    if above:
        return pgettext("button", "Propose")
    return _("Pay out") if twice else pgettext("button", "Refund")


def _button(total: str, twice: bool, above: bool) -> str:
    if above:
        return _("Propose %(amount)s") % {"amount": total}
    pattern = _("Pay out %(amount)s") if twice else _("Refund %(amount)s")
    return pattern % {"amount": total}


def page_urls(order: Order) -> dict[str, str]:
    """The addresses a panel needs."""
    return {
        "create_url": reverse("refund_create", args=[order.reference]),
        "preview_url": reverse("refund_preview", args=[order.reference]),
        "order_url": reverse("order_detail", args=[order.reference]),
    }
