"""One source of words: the timeline, the steps of a refund and who has the money, for screen, email and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from registration.models import HistoryEntry, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import format_money
from registration.said import Said, Sentence, dispute_in_words, read

Channel = RefundPart.Channel
CAUSES = {
    "lost_or_stolen_card": gettext_lazy("the card was lost or stolen"),
    "expired_or_canceled_card": gettext_lazy("the card has expired or was cancelled"),
    "charge_for_pending_refund_disputed": gettext_lazy("the attendee disputed the payment"),
    "insufficient_funds": gettext_lazy("the Stripe balance was too low"),
    "declined": gettext_lazy("the bank declined it"),
    "merchant_request": gettext_lazy("it was cancelled at our request"),
    "canceled": gettext_lazy("it was cancelled"),
    "not_possible": gettext_lazy("it was not possible any more when its time had come"),
}


@dataclass(frozen=True)
class Step:
    """One station of a refund; ``state`` is done, now, todo or failed."""

    label: str
    when: datetime | None
    state: str


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


def _requested(facts: Facts) -> str:
    values = _asked(facts)
    if values["card"]:
        text = _("%(who)s refunded %(amount)s of %(total)s to %(card)s, %(left)s left") % values
    else:
        text = _("%(who)s refunded %(amount)s of %(total)s (%(where)s), %(left)s left") % values
    if facts["fee"]:
        text = _("%(text)s, %(fee)s kept as a fee") % {"text": text, "fee": facts.money("fee")}
    return text


def _proposed(facts: Facts) -> str:
    values = _asked(facts)
    if values["card"]:
        return _("%(who)s proposed to refund %(amount)s of %(total)s to %(card)s; a second person decides") % values
    return _("%(who)s proposed to refund %(amount)s of %(total)s (%(where)s); a second person decides") % values


def _asked(facts: Facts) -> dict[str, str]:
    """What a refund was decided to be; ``card`` is known where all of it goes to one."""
    return {
        "who": facts.who,
        "amount": facts.money("amount"),
        "total": facts.money("total"),
        "left": facts.money("refundable"),
        "where": str(WHERE.get(facts["destination"], "")),
        "card": facts["card"],
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
        }

    return words


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
    "refund_part_pending": _moved(gettext_noop("%(amount)s to %(instrument)s is pending at Stripe")),
    "refund_part_requires_action": _moved(gettext_noop("%(amount)s to %(instrument)s waits for the attendee")),
    "refund_part_succeeded": _moved(gettext_noop("%(amount)s sent to the bank of %(instrument)s")),
    "refund_part_failed": _failed,
    "refund_part_canceled": _moved(gettext_noop("%(amount)s to %(instrument)s was cancelled")),
    "refund_part_rejected": _moved(gettext_noop("%(amount)s was not approved")),
    "refund_external": _moved(gettext_noop("%(amount)s was refunded at Stripe, not from this desk")),
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


def steps(refund: Refund) -> list[Step]:
    """The stations of a refund with their times. Reads ``refund.parts``."""
    parts = [part for part in refund.parts.all() if part.channel == Channel.STRIPE]
    settled = max((part.settled_at for part in parts if part.settled_at), default=None)
    sent = min((part.sent_at for part in parts if part.sent_at), default=None)
    state = refund.state
    if state == State.AWAITING_APPROVAL:
        waiting = Step(_("Waiting for approval"), None, "now")
        return [Step(_("Proposed"), refund.created_at, "done"), waiting, Step(_("Succeeded"), None, "todo")]
    requested = Step(_("Requested"), refund.created_at, "now" if state == State.REQUESTED else "done")
    if not parts and state == State.REQUESTED:
        return [requested]
    if waits_for_a_hand(refund) and not parts:
        return [requested, Step(_("Pay back by hand"), None, "now")]
    if not parts:
        return [requested, Step(str(refund.get_state_display()), refund.updated_at, "done")]
    if state in OVER:
        return [requested, Step(str(State(state).label), settled, "failed")]
    if state == State.UNCONFIRMED:
        return [requested, Step(_("Being verified"), sent, "now"), Step(_("Succeeded"), None, "todo")]
    at_stripe = "now" if state in (State.PENDING, State.REQUIRES_ACTION) else "done"
    return [
        requested,
        Step(_("At Stripe"), sent, "todo" if state == State.REQUESTED else at_stripe),
        Step(
            _("Succeeded"),
            settled if state == State.SUCCEEDED else None,
            "done" if state == State.SUCCEEDED else "todo",
        ),
    ]


def ended_because(refund: Refund) -> str:
    """Why a refund went no further, in the reader's language; empty when nothing is known. Reads ``refund.parts``."""
    if refund.refusal:
        return str(refund.refusal)
    if refund.state == State.REJECTED:
        return _("Withdrawn by whoever proposed it.")
    if refund.state == State.CANCELED and not any(part.sent_at for part in refund.parts.all()):
        return _("Taken back before it was sent.")
    causes = [part.failure_reason for part in refund.parts.all() if part.state == State.FAILED and part.failure_reason]
    return capfirst(cause_in_words(causes[0])) + "." if causes else ""


def came_back(refund: Refund) -> bool:
    """Whether it failed after Stripe had accepted it. Reads ``refund.parts``."""
    return refund.state == State.FAILED and any(part.accepted_at for part in refund.parts.all())


def waits_for_a_hand(refund: Refund) -> bool:
    """Whether nothing but a transfer by hand is missing. Reads ``refund.parts``."""
    moving = [part for part in refund.parts.all() if part.state == State.PENDING]
    return bool(moving) and all(part.channel == Channel.MANUAL for part in moving)


QUICK_CHECKS = 8
"""After so many checks the pauses between them have grown to an hour."""
AWAITED_DAYS = 14
"""Ten business days are two weeks."""

HOLDERS = {
    State.AWAITING_APPROVAL: gettext_lazy("We have the money until a second person approves."),
    State.REQUESTED: gettext_lazy("We have the money; it is about to be sent."),
    State.UNCONFIRMED: gettext_lazy("Being verified with Stripe; do not send again."),
    State.PENDING: gettext_lazy("Stripe has the money and will pass it to the bank."),
    State.REQUIRES_ACTION: gettext_lazy("Stripe has the money; the attendee must act on its email."),
    State.SUCCEEDED: gettext_lazy("Sent to the attendee's bank; it shows in 5 to 10 business days."),
    State.FAILED: gettext_lazy("We have the money; it did not reach the attendee."),
    State.CANCELED: gettext_lazy("We have the money; it was not sent."),
    State.REJECTED: gettext_lazy("We have the money; it was not approved."),
}


def holder(part: RefundPart) -> str:
    """Who has the money of one part now, since when, and its trace number, to be read out on the phone."""
    sentences = [_who_has(part), _dates(part), checking(part)]
    if part.trace_reference:
        sentences.append(_("Bank reference %(reference)s.") % {"reference": part.trace_reference})
    return " ".join(each for each in sentences if each)


def _who_has(part: RefundPart) -> str:
    if part.channel in (Channel.STORE_CREDIT, Channel.CREDIT_RETURN) and part.state == State.SUCCEEDED:
        return _("The attendee has it as store credit.")
    if part.channel == Channel.MANUAL and part.state == State.SUCCEEDED:
        return _("Paid back by hand.")
    if part.channel == Channel.MANUAL and part.state == State.PENDING:
        return _("We have the money; pay it back by hand.")
    if part.state == State.PENDING and part.pending_reason == "insufficient_funds":
        return _("We have the money; Stripe sends it once its balance is topped up.")
    return str(HOLDERS[State(part.state)])


def _dates(part: RefundPart) -> str:
    """When it came to whoever has it, and when it should be where it goes."""
    since = part.settled_at or part.sent_at
    if part.channel != Channel.STRIPE:
        return _("Since %(day)s.") % {"day": _day(since)} if since and part.state == State.SUCCEEDED else ""
    if part.state == State.SUCCEEDED and since:
        values = {"day": _day(since), "until": _day(since + timedelta(days=AWAITED_DAYS))}
        return _("Sent on %(day)s, expected by %(until)s.") % values
    if part.state == State.REQUIRES_ACTION and part.act_by:
        return _("They have until %(day)s.") % {"day": _day(part.act_by)}
    if part.state in (State.PENDING, State.REQUIRES_ACTION) and part.sent_at:
        return _("At Stripe since %(day)s.") % {"day": _day(part.sent_at)}
    if part.state == State.FAILED and since:
        return _("Failed on %(day)s.") % {"day": _day(since)}
    return ""


def checking(part: RefundPart) -> str:
    """How far the search for an unknown outcome is: "2 of 8 checks done, next check at 10:42."."""
    if part.state not in (State.REQUESTED, State.UNCONFIRMED) or not part.sent_at:
        return ""
    text = check_count(part)
    if part.next_check_at and part.next_check_at > timezone.now():
        at = date_format(timezone.localtime(part.next_check_at), "H:i")
        text = _("%(text)s, next check at %(time)s") % {"text": text, "time": at}
    return f"{text}. {part.last_problem}".strip()


def check_count(part: RefundPart) -> str:
    """``2 of 8 checks done``; from then on they come hourly."""
    if part.checks <= QUICK_CHECKS:
        return _("%(done)s of %(all)s checks done") % {"done": part.checks, "all": QUICK_CHECKS}
    return _("%(done)s checks done, now one every hour") % {"done": part.checks}


def _day(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "DATE_FORMAT")
