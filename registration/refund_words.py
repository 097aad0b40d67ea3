"""Where one refund stands, in words: its steps, why it went no further, who has the money of each part."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from registration.models import Refund, RefundPart
from registration.models.refund import OVER, WITH_STRIPE, State
from registration.money import format_money
from registration.refund_ends import TELLS_TWO_ENDS, UNDONE, WITHDRAWN, ended_as, ended_label
from registration.sentences import cause_in_words
from registration.services.retries import GAVE_WAY, is_needless, left_to_try, taken_on

Channel = RefundPart.Channel


@dataclass(frozen=True)
class Step:
    """One station of a refund; ``state`` is done, now, todo or failed."""

    label: str
    when: datetime | None
    state: str


def steps(refund: Refund) -> list[Step]:
    """The stations of a refund with their times. Reads ``refund.parts``."""
    if refund.state == State.AWAITING_APPROVAL:
        waiting = Step(_("Waiting for approval"), None, "now")
        return [Step(_("Proposed"), refund.created_at, "done"), waiting, Step(_("Succeeded"), None, "todo")]
    requested = Step(_("Requested"), refund.created_at, "now" if refund.state == State.REQUESTED else "done")
    by_stripe = [part for part in refund.parts.all() if part.channel == Channel.STRIPE]
    return [requested, *(_through_stripe(refund, by_stripe) if by_stripe else _without_stripe(refund))]


def _without_stripe(refund: Refund) -> list[Step]:
    """What follows the request of a refund that Stripe has no part in."""
    if refund.state == State.REQUESTED:
        return []
    return _transfer(refund) or [Step(ended_label(refund), refund.updated_at, "done")]


def _through_stripe(refund: Refund, parts: list[RefundPart]) -> list[Step]:
    """What follows the request of a refund with parts that go through Stripe."""
    settled = max((part.settled_at for part in parts if part.settled_at), default=None)
    sent = min((part.sent_at for part in parts if part.sent_at), default=None)
    if refund.state in OVER:
        return [Step(ended_label(refund), settled, "failed")]
    has_arrived = refund.state == State.SUCCEEDED
    label = ended_label(refund) if has_arrived else _("Succeeded")
    succeeded = Step(label, settled if has_arrived else None, "done" if has_arrived else "todo")
    if refund.state == State.UNCONFIRMED:
        return [Step(_("Being verified"), sent, "now"), succeeded]
    is_there = any(part.state in WITH_STRIPE for part in parts)
    at_stripe = "todo" if refund.state == State.REQUESTED else "now" if is_there else "done"
    return [Step(_("At Stripe"), sent, at_stripe), *_transfer(refund), succeeded]


def _transfer(refund: Refund) -> list[Step]:
    """The station at which somebody has to pay it back; none for any other refund."""
    return [Step(_("Pay back by hand"), None, "now")] if refund.state == State.AWAITING_TRANSFER else []


def ended_because(refund: Refund) -> str:
    """Why a refund went no further, in the reader's language; empty when nothing is known. Reads ``refund.parts``."""
    if refund.refusal:
        return str(refund.refusal)
    if ended_as(refund) == WITHDRAWN:
        return _("Withdrawn by whoever proposed it.")
    if ended_as(refund) == UNDONE:
        return _("Taken back before it was sent.")
    causes = [part.failure_reason for part in refund.parts.all() if part.state == State.FAILED and part.failure_reason]
    return capfirst(cause_in_words(causes[0])) + "." if causes else ""


def came_back(refund: Refund) -> bool:
    """Whether it failed after Stripe had accepted it. Reads ``refund.parts``."""
    return refund.state == State.FAILED and any(part.accepted_at for part in refund.parts.all())


@dataclass(frozen=True)
class TakenOn:
    """The refunds that others made of what failed, in words; ``is_whole`` when nothing of it is left to try."""

    refunds: list[Refund]
    words: str
    is_whole: bool


def taken_on_by(refund: Refund) -> TakenOn | None:
    """What became later of the money of a refund that came to nothing; ``None`` while nobody took it on."""
    others, amount = taken_on(refund)
    if not others:
        return None
    is_whole = not left_to_try(refund)
    if any(other.is_open for other in others):
        whole, some = (
            _("it is being tried again as %(numbers)s"),
            _("%(amount)s of it is being tried again as %(numbers)s"),
        )
    else:
        whole, some = _("the money went back as %(numbers)s"), _("%(amount)s of it went back as %(numbers)s")
    numbers = ", ".join(other.number for other in others)
    words = (whole if is_whole else some) % {"numbers": numbers, "amount": format_money(amount, refund.currency)}
    told = _("It failed; %(later)s.") % {"later": words} if refund.state != State.CANCELED else f"{capfirst(words)}."
    return TakenOn(others, told, is_whole)


QUICK_CHECKS = 8
"""After so many checks the pauses between them have grown to an hour."""
AWAITED_DAYS = 14
"""Ten business days are two weeks."""

HOLDERS = {
    State.AWAITING_APPROVAL: gettext_lazy("The conference has the money until a second person approves."),
    State.REQUESTED: gettext_lazy("The conference still has the money; it is about to be sent."),
    State.UNCONFIRMED: gettext_lazy("Being verified with Stripe; do not send again."),
    State.AWAITING_TRANSFER: gettext_lazy("The conference still has the money; pay it back by hand."),
    State.PENDING: gettext_lazy("Stripe has the money and will pass it to the bank."),
    State.REQUIRES_ACTION: gettext_lazy("Stripe has the money; the attendee must act on its email."),
    State.SUCCEEDED: gettext_lazy("Sent to the attendee's bank; it shows in 5 to 10 business days."),
    State.FAILED: gettext_lazy("The conference has the money; it did not reach the attendee."),
    State.CANCELED: gettext_lazy("The conference still has the money; it was not sent."),
    State.REJECTED: gettext_lazy("The conference still has the money; it was not approved."),
}
ENDED_HERE = {
    WITHDRAWN: gettext_lazy("The conference still has the money; whoever proposed it withdrew it."),
    UNDONE: gettext_lazy("The conference still has the money; it was undone before it was sent."),
}


def holder(part: RefundPart, later: TakenOn | None = None) -> str:
    """Who has the money of one part now, since when, and its trace number, to be read out on the phone.

    Args:
        part: The part.
        later: What became of the money of its refund after that had failed.
    """
    is_taken_on = part.state in OVER and part.failure_reason != GAVE_WAY
    who_has = later.words if later is not None and is_taken_on else _who_has(part)
    sentences = [who_has, _dates(part), checking(part)]
    if part.trace_reference:
        sentences.append(_("Bank reference %(reference)s.") % {"reference": part.trace_reference})
    return " ".join(each for each in sentences if each)


def _who_has(part: RefundPart) -> str:
    if part.channel in (Channel.STORE_CREDIT, Channel.CREDIT_RETURN) and part.state == State.SUCCEEDED:
        return _("The attendee has it as store credit.")
    if part.channel == Channel.MANUAL and part.state == State.SUCCEEDED:
        return _("Paid back by hand.")
    if part.channel == Channel.MANUAL and part.state == State.REQUESTED:
        return _("The conference still has the money. Do not pay it yet: this can still be undone.")
    if is_needless(part):
        return _("The same money has gone back another way. Do not pay it: call the transfer off.")
    if part.state in TELLS_TWO_ENDS and (ended := ENDED_HERE.get(ended_as(part.refund))):
        return str(ended)
    if part.state == State.PENDING and part.pending_reason == "insufficient_funds":
        return _("The conference still has the money; Stripe sends it once its balance is topped up.")
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
    if part.state in WITH_STRIPE and part.sent_at:
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
