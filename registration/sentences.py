"""One source of words for what happened to an order, for screen, email and export."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from registration.models import HistoryEntry, Refund
from registration.models.refund import OVER, State
from registration.money import format_money
from registration.refund_ends import UNDONE, ended_as, how_much_goes
from registration.said import Said, Sentence, dispute_in_words, read
from registration.ways import BY_HAND, channels_in_words

CAUSES = {
    "lost_or_stolen_card": gettext_lazy("the card was lost or stolen"),
    "expired_or_canceled_card": gettext_lazy("the card has expired or was cancelled"),
    "charge_for_pending_refund_disputed": gettext_lazy("the attendee disputed the payment"),
    "insufficient_funds": gettext_lazy("the Stripe balance was too low"),
    "declined": gettext_lazy("the bank declined it"),
    "merchant_request": gettext_lazy("it was cancelled at our request"),
    "canceled": gettext_lazy("it was cancelled"),
    "called_off": gettext_lazy("its transfer was called off"),
    "not_possible": gettext_lazy("it was not possible any more when its time had come"),
}


def cause_in_words(cause: Sentence) -> str:
    """The reason for a failure, mostly Stripe's, in words; what is a sentence already stays one."""
    if isinstance(cause, Said):
        return str(cause)
    return str(CAUSES.get(cause) or (cause if " " in cause else _("Stripe gave no reason")))


def sentence(entry: HistoryEntry) -> str:
    """One plain sentence for one entry of an order's history."""
    facts = Facts(entry)
    pattern = PATTERNS.get(entry.kind)
    return pattern(facts) if pattern else entry.kind.replace("_", " ").capitalize()


class Facts:
    """The facts of an entry, ready for a sentence."""

    def __init__(self, entry: HistoryEntry) -> None:
        self.entry = entry
        self.raw: Mapping[str, Any] = entry.facts

    def __getitem__(self, name: str) -> str:
        """A fact as text; empty when the entry has none of that name."""
        return str(self.said(name))

    def said(self, name: str) -> Sentence:
        """A fact as it was said: one of the desk's own sentences, or text."""
        return read(str(self.raw.get(name, "")))

    def money(self, name: str) -> str:
        """A fact as an amount in the entry's currency."""
        try:
            return format_money(Decimal(str(self.raw.get(name))), self["currency"])
        except InvalidOperation:
            return ""

    @property
    def who(self) -> str:
        """Who did it; Stripe and the clock are named by their sentence."""
        return person(self.entry.actor) if self.entry.actor_id else _("Refund Desk")


def person(user: Any) -> str:
    """A member of staff as colleagues know them."""
    return str(user.get_full_name() or user.get_username())


WHERE: dict[str, Any] = {
    Refund.Destination.CARD: gettext_lazy("original card"),
    Refund.Destination.CREDIT: gettext_lazy("store credit"),
    Refund.Destination.SPLIT: gettext_lazy("part card, part store credit"),
    Refund.Destination.CARD_AND_CREDIT: gettext_lazy("card refund plus the same again as credit"),
}


BECAME = {
    State.REQUESTED: gettext_lazy("%(who)s decided to refund %(amount)s of %(total)s %(to)s, %(left)s left; under way"),
    State.UNCONFIRMED: gettext_lazy(
        "%(who)s decided to refund %(amount)s of %(total)s %(to)s, %(left)s left; being verified"
    ),
    State.FAILED: gettext_lazy("%(who)s decided to refund %(amount)s of %(total)s %(to)s; it failed"),
    State.CANCELED: gettext_lazy("%(who)s decided to refund %(amount)s of %(total)s %(to)s; it was cancelled"),
}
"""What a decision reads as while its refund is not there, or when it came to nothing."""
BECAME[State.AWAITING_TRANSFER] = gettext_lazy(
    "%(who)s decided to refund %(amount)s of %(total)s %(to)s, %(left)s left; the transfer is still to be made"
)
BECAME |= dict.fromkeys((State.PENDING, State.REQUIRES_ACTION), BECAME[State.REQUESTED])
SOME_OF_IT = gettext_lazy("%(who)s decided to refund %(amount)s of %(total)s %(to)s; %(goes)s")
TAKEN_BACK = gettext_lazy("%(who)s decided to refund %(amount)s of %(total)s %(to)s; it was undone")
HELD = gettext_lazy("%(who)s is about to refund %(amount)s of %(total)s %(to)s, %(left)s left")


def _requested(facts: Facts) -> str:
    """The decision and how far it is: its entry is written before anything is sent, and read at any time."""
    values, refund = _asked(facts), facts.entry.refund
    values["to"] = _("to %(instrument)s") % {"instrument": values["card"]} if values["card"] else f"({values['where']})"
    if facts["channel"] == BY_HAND:
        values["to"] = _("by hand")
    became = None if refund is None else _became(refund)
    has_one_part = values["card"] or facts["channel"] == BY_HAND or facts["destination"] == Refund.Destination.CREDIT
    if refund is not None and not refund.is_held and not has_one_part and (goes := how_much_goes(refund)):
        became, values["goes"] = SOME_OF_IT, goes
    text = str(became or _("%(who)s refunded %(amount)s of %(total)s %(to)s, %(left)s left")) % values
    if facts["fee"] and (refund is None or refund.state not in OVER):
        text = _("%(text)s, %(fee)s kept as a fee") % {"text": text, "fee": facts.money("fee")}
    return _with_lines(text, facts)


def _with_lines(text: str, facts: Facts) -> str:
    """What was decided, and of which lines so many."""
    lines = [counted(*line) for line in json.loads(facts["lines"] or "[]")]
    return _("%(text)s; for %(lines)s") % {"text": text, "lines": ", ".join(lines)} if lines else text


def counted(count: int, whole: int, item: str) -> str:
    """How many of a line that holds several."""
    return _("%(count)s of %(whole)s × %(item)s") % {"count": count, "whole": whole, "item": item}


def _became(refund: Refund) -> Any:
    if refund.is_held:
        return HELD
    return TAKEN_BACK if ended_as(refund) == UNDONE else BECAME.get(State(refund.state))


def _proposed(facts: Facts) -> str:
    values = _asked(facts)
    text = _("%(who)s proposed to refund %(amount)s of %(total)s (%(where)s); a second person decides")
    if values["card"]:
        text = _("%(who)s proposed to refund %(amount)s of %(total)s to %(card)s; a second person decides")
    return _with_lines(text % values, facts)


def _asked(facts: Facts) -> dict[str, str]:
    """What a refund was decided to be; ``card`` is known where all of it goes to one."""
    by_channel = channels_in_words(facts["channel"])
    return {
        "who": facts.who,
        "amount": facts.money("amount"),
        "total": facts.money("total"),
        "left": facts.money("refundable"),
        "where": by_channel or str(WHERE.get(facts["destination"], "")),
        "card": "" if by_channel else facts["card"],
    }


def _decided(pattern: str) -> Callable[[Facts], str]:
    def words(facts: Facts) -> str:
        values = {"who": facts.who, "amount": facts.money("amount"), "number": facts["number"]}
        return str(_(pattern)) % (values | {"proposer": facts["proposer"], "reason": facts["reason"]})

    return words


def _moved(pattern: str) -> Callable[[Facts], str]:
    def words(facts: Facts) -> str:
        return str(_(pattern)) % {
            "amount": facts.money("amount"),
            "instrument": facts["instrument"],
            "cause": cause_in_words(facts.said("cause")),
            "who": facts.who,
            "credit": facts["credit"],
            "reason": facts["reason"],
            "due": facts.money("due"),
            "number": facts["number"],
            "failed": facts["failed"],
        }

    return words


def _arrives(at_stripe: str, by_hand: str) -> Callable[[Facts], str]:
    """What Stripe does with a part, or a person with one that goes back by a transfer."""
    return lambda facts: _moved(by_hand if facts["channel"] == BY_HAND else at_stripe)(facts)


def _failed(facts: Facts) -> str:
    """What failed and why; a sentence of the desk's own says itself whether money moved."""
    if isinstance(facts.said("cause"), Said):
        return _moved(gettext_noop("%(amount)s to %(instrument)s failed. %(cause)s"))(facts).rstrip(".")
    return _moved(gettext_noop("%(amount)s to %(instrument)s failed: %(cause)s. No money moved"))(facts)


def _disputed(pattern: str) -> Callable[[Facts], str]:
    def words(facts: Facts) -> str:
        return str(_(pattern)) % {"amount": facts.money("amount"), "reason": dispute_in_words(facts["reason"])}

    return words


def _paid(facts: Facts) -> str:
    return _("Paid in full, %(amount)s") % {"amount": facts.money("amount")}


def _matched(facts: Facts) -> str:
    return _("%(who)s matched %(id)s at Stripe to this order") % {"who": facts.who, "id": facts["stripe_id"]}


PATTERNS: dict[str, Callable[[Facts], str]] = {
    "order_placed": lambda facts: _("Order placed"),
    "order_paid": _paid,
    "order_released": lambda facts: _("Order cancelled; its credit went back"),
    "order_cancelled": lambda facts: _("Order cancelled"),
    "payment_received": _moved(gettext_noop("%(amount)s received from %(instrument)s")),
    "payment_failed": _moved(gettext_noop("%(amount)s from %(instrument)s did not arrive")),
    "payment_late": _moved(gettext_noop("%(amount)s arrived late from %(instrument)s")),
    "refund_requested": _requested,
    "refund_proposed": _proposed,
    "refund_approved": _decided(gettext_noop("%(who)s approved %(amount)s, proposed by %(proposer)s")),
    "refund_rejected": _decided(gettext_noop("%(who)s rejected %(amount)s, proposed by %(proposer)s: %(reason)s")),
    "refund_withdrawn": _decided(gettext_noop("%(who)s withdrew the proposal to refund %(amount)s")),
    "refund_undone": _decided(gettext_noop("%(who)s took %(amount)s back before it was sent")),
    "refund_part_requested": _moved(gettext_noop("%(amount)s approved")),
    "refund_part_unconfirmed": _moved(gettext_noop("Stripe did not answer about %(amount)s; being verified")),
    "refund_part_pending": _arrives(
        gettext_noop("%(amount)s to %(instrument)s is pending at Stripe"),
        gettext_noop("%(amount)s is to be paid back by hand"),
    ),
    "refund_part_requires_action": _moved(gettext_noop("%(amount)s to %(instrument)s waits for the attendee")),
    "refund_part_succeeded": _arrives(
        gettext_noop("%(amount)s sent to the bank of %(instrument)s"),
        gettext_noop("%(who)s paid %(amount)s back by hand"),
    ),
    "refund_part_failed": _failed,
    "refund_part_canceled": _arrives(
        gettext_noop("%(amount)s to %(instrument)s was cancelled"),
        gettext_noop("%(who)s called off the transfer of %(amount)s"),
    ),
    "refund_part_rejected": _moved(gettext_noop("%(amount)s was not approved")),
    "refund_external": _moved(gettext_noop("%(amount)s was refunded at Stripe, not from this desk")),
    "refund_repeated": _moved(
        gettext_noop("%(who)s said that %(amount)s refunded at Stripe, %(number)s, is the repeat of %(failed)s")
    ),
    "refund_written_off": _moved(gettext_noop("%(who)s wrote off %(amount)s that went back twice: %(reason)s")),
    "credit_taken_back": _moved(
        gettext_noop("%(who)s took %(amount)s back from %(credit)s, for it was refunded at Stripe as well")
    ),
    "matched_by_hand": _matched,
    "credit_issued": _moved(gettext_noop("%(credit)s issued, %(amount)s")),
    "credit_applied": _moved(gettext_noop("%(who)s applied %(amount)s from %(credit)s, %(due)s due")),
    "credit_restored": _moved(gettext_noop("%(amount)s went back to %(credit)s")),
    "credit_adjusted": _moved(gettext_noop("%(who)s adjusted %(credit)s by %(amount)s: %(reason)s")),
    "credit_voided": _moved(gettext_noop("%(credit)s voided, %(amount)s")),
    "credit_extended": _moved(gettext_noop("%(who)s extended %(credit)s")),
    "credit_expired": _moved(gettext_noop("%(credit)s expired with %(amount)s left")),
    "dispute_opened": _disputed(gettext_noop("The attendee disputed %(amount)s: %(reason)s")),
    "dispute_closed": _disputed(gettext_noop("Dispute over %(amount)s closed: %(reason)s")),
    "note_added": _moved(gettext_noop("%(who)s wrote a note")),
}
