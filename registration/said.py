"""What the database keeps instead of a sentence: a code and values, put into the reader's language when it is read.

Who acts and who reads need not share a language. What a person typed is kept, and read, as they typed it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.apps import apps
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from registration.money import format_money

TYPED = "typed"
"""The code of a person's own words where they could be taken for one of ours."""
SENTENCES = {
    TYPED: "%(text)s",
    # How an open item was settled.
    "approved": gettext_noop("Approved."),
    "rejected": gettext_noop("Rejected: %(reason)s"),
    "withdrawn": gettext_noop("Withdrawn."),
    "taken_back": gettext_noop("Taken back."),
    "went_back": gettext_noop("It went back."),
    "answered": gettext_noop("Stripe answered: %(state)s."),
    "carried_out": gettext_noop("It was carried out: %(state)s."),
    "not_sent": gettext_noop("It was not sent, because it is not possible any more."),
    "dispute_closed": gettext_noop("Stripe closed the dispute: %(dispute)s."),
    "matched": gettext_noop("Matched to %(order)s."),
    "tried_again": gettext_noop("Tried again as %(number)s"),
    "arrived_after_all": gettext_noop("It arrived after all, as %(number)s"),
    "called_off": gettext_noop("The transfer was called off; nothing was paid"),
    "repeated_at_stripe": gettext_noop("Repeated at Stripe as %(number)s"),
    "repeats": gettext_noop("It is the repeat of %(number)s"),
    "paid_by_hand": gettext_noop("Paid by hand, reference %(reference)s"),
    "paid_by_hand_anyway": gettext_noop(
        "Paid by hand, reference %(reference)s, although the same money had gone back another way"
    ),
    "paid_by_hand_as": gettext_noop("Paid by hand as %(number)s"),
    "agrees": gettext_noop("Stripe and the books agree again."),
    "came_back": gettext_noop("It came back at Stripe, so nothing went out twice."),
    "had_room": gettext_noop("There was room by now; it is in the books as %(number)s."),
    "credit_recalled": gettext_noop("%(amount)s taken back from %(credits)s; it is in the books as %(number)s."),
    # What Stripe did not do, and what to do about it.
    "no_key": gettext_noop("This conference has no Stripe key. An administrator can add it."),
    "live_key": gettext_noop("A live Stripe key is never sent to a sandbox."),
    "no_stripe_id": gettext_noop("This payment carries no Stripe id."),
    "other_parameters": gettext_noop("Stripe saw this request with other parameters."),
    "bad_key": gettext_noop("Stripe did not accept the conference's key. An administrator can check it."),
    "busy": gettext_noop("Stripe is busy."),
    "no_answer": gettext_noop("Stripe did not answer."),
    "unreadable": gettext_noop("Stripe's answer could not be read."),
    "already_refunded": gettext_noop("Stripe says this payment was already refunded. Reload the order."),
    "disputed": gettext_noop("The attendee disputed this payment, so Stripe refuses a refund."),
    "not_refundable": gettext_noop("Stripe can no longer refund this payment. Offer credit or a bank transfer."),
    "unknown_payment": gettext_noop("Stripe does not know this payment. It may belong to another account."),
    "other_mode": gettext_noop("This payment was made in another Stripe mode than the conference's key."),
    "less_left": gettext_noop(
        "Stripe has less left on this payment than our books. Reload the order and check its refunds."
    ),
    "refused": gettext_noop("Stripe refused the refund. No money moved."),
    "never_received": gettext_noop("Stripe never received this refund. No money moved."),
    # Why a payment cannot go back, or not any more.
    "currencies": gettext_noop(
        "Not refundable: it was paid in %(theirs)s and the order is in %(ours)s. Ask an administrator."
    ),
    "mode": gettext_noop("Not refundable: the payment was made in another Stripe mode than the conference's key."),
    "dispute_lost": gettext_noop("Not refundable: disputed%(when)s and lost; the bank has taken the money back."),
    "dispute_open": gettext_noop("Not refundable: disputed%(when)s%(due)s."),
    "did_not_arrive": gettext_noop("Not refundable: a payment of this order did not arrive after all."),
    "not_paid_in_full": gettext_noop("Not refundable: the order is not paid in full any more."),
    "refunded_meanwhile": gettext_noop("The same money was refunded at Stripe meanwhile."),
    "surplus_gone": gettext_noop(
        "What was paid too much is not there any more, so this would pay back the order itself."
    ),
    # Why something was booked that nobody typed a reason for.
    "by_hand": gettext_noop("Credit note written by hand"),
    "rest_stays": gettext_noop("The rest of %(credit)s stays credit"),
    "also_at_stripe": gettext_noop("Refunded at Stripe as well, %(id)s"),
    "spent_also_at_stripe": gettext_noop("It had been spent. Refunded at Stripe as well, %(id)s"),
    "ended_also_at_stripe": gettext_noop("It had been spent or had ended. Refunded at Stripe as well, %(id)s"),
    "called_off_of": gettext_noop("The transfer of %(number)s was called off"),
    "refund_failed": gettext_noop("%(number)s failed"),
    "hold_ran_out": gettext_noop("The hold ran out"),
    "after_end": gettext_noop("Paid after the order had ended"),
    # What was paid with.
    "card": gettext_noop("%(brand)s ending %(last4)s"),
    "method": "%(method)s",
}
DISPUTE_REASONS = {
    "fraudulent": gettext_noop("they say they did not make the payment"),
    "duplicate": gettext_noop("they say they were charged twice"),
    "product_not_received": gettext_noop("they say they did not get what they paid for"),
    "product_unacceptable": gettext_noop("they say it was not as described"),
    "subscription_canceled": gettext_noop("they say they had cancelled"),
    "credit_not_processed": gettext_noop("they say a promised refund did not come"),
    "unrecognized": gettext_noop("they do not recognise the payment"),
}
DISPUTE_STATES = {
    "needs_response": gettext_noop("waiting for our answer"),
    "under_review": gettext_noop("under review"),
    "warning_needs_response": gettext_noop("an inquiry that waits for our answer"),
    "warning_under_review": gettext_noop("an inquiry under review"),
    "warning_closed": gettext_noop("an inquiry without consequences"),
    "won": gettext_noop("won"),
    "lost": gettext_noop("lost"),
    "prevented": gettext_noop("prevented"),
}
REASONS = (
    gettext_noop("Requested by attendee"),
    gettext_noop("Duplicate payment"),
    gettext_noop("Programme changed"),
    gettext_noop("Our mistake"),
    gettext_noop("Fraudulent"),
)
"""The house reasons that every conference knows; those that a conference named itself stay as it named them."""


@dataclass(frozen=True)
class Said:
    """One sentence as it is kept; ``str`` makes it words. Amounts are strings in major units, beside ``currency``."""

    code: str
    values: dict[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """The sentence in the language of whoever reads it now."""
        values = self.values | {name: _in_words(name, self.values) for name in WORDS}
        return _(SENTENCES[self.code]) % defaultdict(str, values)

    @property
    def stored(self) -> str:
        """How it is kept: the same sentence is always the same text."""
        return json.dumps({"code": self.code} | self.values, sort_keys=True, ensure_ascii=False)


Sentence = str | Said
"""A person's own words, or one of the desk's."""


def say(code: str, **values: Any) -> Said:
    """Make a sentence of ``SENTENCES`` to be kept."""
    return Said(code, {name: str(value) for name, value in values.items() if value not in (None, "")})


def stored(sentence: Sentence) -> str:
    """What is kept of a sentence; what was typed stays as it was typed, unless it looks like one of ours."""
    if isinstance(sentence, Said):
        return sentence.stored
    return Said(TYPED, {"text": sentence}).stored if isinstance(read(sentence), Said) else sentence


def read(text: str) -> Sentence:
    """Read what ``stored`` wrote."""
    if not text.startswith('{"'):
        return text
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return text
    code = values.pop("code", "")
    is_ours = isinstance(code, str) and code in SENTENCES and all(isinstance(value, str) for value in values.values())
    return Said(code, values) if is_ours else text


def reason_in_words(reason: Sentence) -> str:
    """A reason in the reader's language where it is one of the desk's own, else as it was typed."""
    return _(reason) if isinstance(reason, str) and reason in REASONS else str(reason)


def why_refunded(refund: Any) -> str:
    """The reason of a refund in the reader's language: the house's, else the one that Stripe was told."""
    return reason_in_words(refund.reason) or stripe_reason_in_words(refund.stripe_reason)


def stripe_reason_in_words(code: str) -> str:
    """What Stripe was told, in the reader's language."""
    return _label("RefundReason", "StripeReason", code)


def told_in_words(code: str) -> str:
    """The same beside the reasons of the house, some of which have the same words."""
    return _("Stripe: %(reason)s") % {"reason": stripe_reason_in_words(code)}


def dispute_in_words(code: str) -> str:
    """Stripe's reason for a dispute, or its state, in words; what Stripe adds in future reads as Stripe wrote it."""
    known = DISPUTE_REASONS | DISPUTE_STATES
    return _(known[code]) if code in known else code.replace("_", " ")


def _in_words(name: str, values: dict[str, str]) -> str:
    return WORDS[name](values[name], values) if name in values else ""


def _amount(value: str, values: dict[str, str]) -> str:
    try:
        return format_money(Decimal(value), values.get("currency", ""))
    except InvalidOperation:
        return value


def _label(model: str, choices: str, value: str) -> str:
    # The models keep what is said, so their words can only be asked for when it is read.
    known = dict(getattr(apps.get_model("registration", model), choices).choices)
    return str(known.get(value, value))


def _day(pattern: str, value: str) -> str:
    return _(pattern) % {"date": date_format(date.fromisoformat(value), "MONTH_DAY_FORMAT")}


WORDS: dict[str, Any] = {
    "amount": _amount,
    "brand": lambda value, values: _("Card") if value == "card" else value,
    "state": lambda value, values: _label("RefundPart", "State", value),
    "method": lambda value, values: _label("Payment", "Method", value),
    "dispute": lambda value, values: dispute_in_words(value),
    "when": lambda value, values: _day(gettext_noop(" on %(date)s"), value),
    "due": lambda value, values: _day(gettext_noop(", evidence due %(date)s"), value),
}
