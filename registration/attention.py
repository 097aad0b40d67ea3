"""One source of words for open items: what happened in a plain sentence, and what to do about it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from registration import comparison_words
from registration.models import OpenItem, Order, Refund
from registration.money import format_money
from registration.refund_words import check_count
from registration.said import DISPUTE_REASONS, Said, dispute_in_words
from registration.sentences import cause_in_words
from registration.services import surplus
from registration.services.credit_notes import CALLED_OFF
from registration.services.retries import is_needless
from registration.services.settle import NOT_POSSIBLE

Kind = OpenItem.Kind

PAID_AFTER_ALL = ("tried_again", "repeated_at_stripe", "paid_by_hand_as", "arrived_after_all")
"""How a failure is settled by a refund of the same money."""
ENDED = (Order.Status.CANCELLED, Order.Status.REFUNDED)

WHAT_HAPPENED = {
    Kind.UNCONFIRMED: gettext_lazy("Stripe did not answer about a refund of %(amount)s."),
    Kind.FAILED: gettext_lazy("A refund of %(amount)s failed: %(cause)s. The attendee does not have the money."),
    Kind.EXTERNAL: gettext_lazy("%(amount)s was refunded at Stripe, not from this desk."),
    Kind.OVERPAID: gettext_lazy("%(amount)s was paid above the order's total."),
    Kind.PAID_LATE: gettext_lazy("%(amount)s arrived after the order had ended."),
    Kind.MANUAL_TRANSFER: gettext_lazy("%(amount)s has to be paid back by hand."),
    Kind.UNSENT: gettext_lazy("A refund of %(amount)s was decided and could not be sent yet.%(problem)s"),
    Kind.BALANCE_LOW: gettext_lazy("A refund of %(amount)s waits because the Stripe balance is too low.%(short)s"),
    Kind.SLOW: gettext_lazy("A refund of %(amount)s is slow at Stripe."),
    Kind.APPROVAL: gettext_lazy("A refund of %(amount)s waits for a second person."),
    Kind.CREDIT_SPENT: gettext_lazy(
        "A card refund failed after %(amount)s of the credit that came with it had been spent."
    ),
    Kind.CHARGED_BACK: gettext_lazy("%(amount)s went out twice: %(refunded)s refunded, and a lost dispute."),
    Kind.DISPUTED: gettext_lazy("The attendee disputed a payment of %(amount)s: %(reason)s.%(due)s"),
}

WHAT_TO_DO = {
    Kind.UNCONFIRMED: gettext_lazy("The sum stays reserved. Do not send it again; ask Stripe now."),
    Kind.FAILED: gettext_lazy("Send it again, or give it as store credit."),
    Kind.EXTERNAL: gettext_lazy("It is in the books and the order's balance fell. Say who made it and why."),
    Kind.UNMATCHED: gettext_lazy("Match it to the order it belongs to, or say why it belongs to none."),
    Kind.OVERPAID: gettext_lazy("Refund what is too much, or say why it stays."),
    Kind.PAID_LATE: gettext_lazy("Refund it, or say why it stays."),
    Kind.MANUAL_TRANSFER: gettext_lazy("Make the transfer, then record its reference."),
    Kind.UNSENT: gettext_lazy("It is tried again by itself and the sum stays reserved. Do not send it a second time."),
    Kind.BALANCE_LOW: gettext_lazy("Top up the balance at Stripe; the refund is then sent by itself."),
    Kind.SLOW: gettext_lazy("Ask Stripe now. If it still waits, look at the balance of the Stripe account."),
    Kind.APPROVAL: gettext_lazy("Its amount stays reserved until somebody else than who proposed it has decided."),
    Kind.CREDIT_SPENT: gettext_lazy(
        "The attendee has the credit and no refund: decide who bears what was spent, and say so."
    ),
    Kind.CHARGED_BACK: gettext_lazy("Talk to the attendee or to Stripe, and say what was agreed."),
    Kind.DISPUTED: gettext_lazy("Answer it at Stripe before the date. Refunds of this payment may be refused."),
}


def explanation(item: OpenItem) -> str:
    """What happened, in one plain sentence."""
    if item.kind == Kind.UNMATCHED:
        return _unmatched(item)
    if item.kind == Kind.EXTERNAL and item.refund_id is None and item.order_id is not None:
        return _(
            "%(amount)s was refunded at Stripe for money that had already gone back or is going back from this desk."
        ) % {"amount": amount_of(item) or _("Some money")}
    if item.kind == Kind.DRIFT:
        facts = item.facts
        return comparison_words.told(facts.get("difference", ""), facts.get("ours", {}), facts.get("theirs", {}))
    if item.kind == Kind.CREDIT_SPENT and item.facts.get("why") == "taken_back":
        return _("%(amount)s of credit had been spent before it went back to the card as well.") % _values(item)
    if _is_needless(item):
        return _("%(amount)s need not be paid back by hand: the same money has gone back another way.") % _values(item)
    if item.kind == Kind.CREDIT_SPENT and item.facts.get("why") == CALLED_OFF:
        return _(
            "A transfer was called off after %(amount)s of the credit that came with it had been spent."
        ) % _values(item)
    if item.kind == Kind.FAILED and _was_paid_after_all(item):
        return _("A refund of %(amount)s failed: %(cause)s.") % _values(item)
    if why := _why_not_sent(item):
        return _("A refund of %(amount)s was not sent. %(why)s") % {"amount": amount_of(item), "why": why}
    pattern = WHAT_HAPPENED.get(Kind(item.kind))
    what = str(pattern) % _values(item) if pattern else str(item.get_kind_display())
    return " ".join([what, *map(surplus.in_words, going_back(item))])


def _was_paid_after_all(item: OpenItem) -> bool:
    """Whether a failure was settled by something that paid, or that is to pay, the same money."""
    return isinstance(item.resolution, Said) and item.resolution.code in PAID_AFTER_ALL


def _is_needless(item: OpenItem) -> bool:
    """Whether a transfer that waits must not be made any more."""
    if item.kind != Kind.MANUAL_TRANSFER or item.resolved_at is not None or item.refund is None:
        return False
    return any(f"part:{part.pk}" == item.subject and is_needless(part) for part in item.refund.parts.all())


def _why_not_sent(item: OpenItem) -> str:
    """Why a refund was not possible any more when its time had come; empty for an item about anything else."""
    if item.kind != Kind.FAILED or item.facts.get("cause") != NOT_POSSIBLE or item.refund is None:
        return ""
    return str(item.refund.refusal)


def going_back(item: OpenItem) -> list[Refund]:
    """The refunds that may be taking back what was paid too much, while the item still waits."""
    if item.kind not in surplus.TOO_MUCH or item.order is None or item.resolved_at is not None:
        return []
    return surplus.refunds_under_way(item.order)


def in_short(item: OpenItem) -> str:
    """What happened, beside the kind and the amount of an item that is about a refund."""
    parts = [part for part in item.refund.parts.all() if f"part:{part.pk}" == item.subject] if item.refund else []
    if item.kind == Kind.FAILED:
        return capfirst(cause_in_words(str(item.facts.get("cause") or "")))
    if item.kind == Kind.UNCONFIRMED and parts:
        return _("Stripe did not answer, %(checks)s") % {"checks": check_count(parts[0])}
    if item.kind == Kind.SLOW and (since := parse_datetime(str(item.facts.get("since") or ""))):
        return _("Waits there since %(date)s") % {"date": _day(item, since)}
    return explanation(item)


def advice(item: OpenItem) -> str:
    """What somebody should do about it."""
    if item.order is not None and going_back(item) and not surplus.left_for(item, item.order):
        return _("It settles itself once the money went back. What comes to nothing is offered here again.")
    if _is_needless(item):
        return _("Do not make the transfer: call it off on the page of %(number)s.") % {"number": item.refund}
    if _why_not_sent(item):
        return _(
            "Look at the order first. Send it again only if the attendee is still owed it, or say why they are not."
        )
    if item.kind == Kind.PAID_LATE and item.order is not None and item.order.status in ENDED:
        return _("The order had ended, so this is owed back: send it back, or say why it stays.")
    if item.kind == Kind.EXTERNAL and item.refund_id is None and item.order_id is not None:
        return _(
            "It left and is not in the balances. Take back the credit that was given for it; what was spent of that"
            " shows as an item of its own. A refund that is still under way is settled by itself."
        )
    if item.kind == Kind.DRIFT:
        is_beyond = bool(item.facts.get("beyond_repair"))
        return comparison_words.advice(item.facts.get("difference", ""), beyond_repair=is_beyond)
    return str(WHAT_TO_DO.get(Kind(item.kind), ""))


def amount_of(item: OpenItem, name: str = "amount") -> str:
    """A fact as an amount; empty when the item has none of that name."""
    currency = str(item.facts.get("currency") or item.conference.currency)
    try:
        return format_money(Decimal(str(item.facts.get(name))), currency)
    except InvalidOperation:
        return ""


def _values(item: OpenItem) -> dict[str, Any]:
    """What the patterns name; an item without an amount still makes a sentence."""
    some = _("some money")
    return {
        "amount": amount_of(item) or some,
        "refunded": amount_of(item, "refunded") or some,
        "cause": cause_in_words(str(item.facts.get("cause") or "")),
        "reason": _dispute_reason(str(item.facts.get("reason") or "")),
        "due": _due(item),
        "problem": _problem(item),
        "short": shortage(item),
    }


def shortage(item: OpenItem) -> str:
    """What the Stripe balance holds and what it lacks for all that waits, once Stripe said so."""
    values = {name: amount_of(item, name) for name in ("available", "short", "waiting")}
    if not values["short"]:
        return ""
    if Decimal(str(item.facts["short"])) > 0:
        return _(" It holds %(available)s and %(waiting)s waits: top up %(short)s.") % values
    return _(" It holds %(available)s by now, which covers the %(waiting)s that wait.") % values


def _problem(item: OpenItem) -> str:
    """Why the last try came to nothing, when a try was made; said of nothing but what could not be sent."""
    parts = item.refund.parts.all() if item.refund and item.kind == Kind.UNSENT else []
    told = next((part.last_problem for part in parts if f"part:{part.pk}" == item.subject), "")
    return f" {told}" if told else ""


def _dispute_reason(reason: str) -> str:
    return dispute_in_words(reason) if reason in DISPUTE_REASONS else _("Stripe names no particular reason")


def _due(item: OpenItem) -> str:
    due: datetime | None = parse_datetime(str(item.facts.get("due_by") or ""))
    if due is None:
        return ""
    return _(" Evidence is due on %(date)s.") % {"date": _day(item, due)}


def _day(item: OpenItem, moment: datetime) -> str:
    """The day of a moment at the conference."""
    return date_format(item.conference.localtime(moment), "DATE_FORMAT")


def _unmatched(item: OpenItem) -> str:
    """A refund, a dispute or a payment at Stripe that no order knows; its id says which."""
    values = {"amount": amount_of(item) or _("Some money"), "id": item.subject}
    if item.subject.startswith("re_"):
        return _("%(amount)s was refunded at Stripe for a payment that belongs to no order here.") % values
    if item.subject.startswith(("dp_", "du_")):
        return _("%(amount)s was disputed at Stripe on a payment that belongs to no order here.") % values
    return _("%(amount)s was paid at Stripe and belongs to no order here.") % values
