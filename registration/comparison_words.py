"""One source of words for what differs from Stripe: on its page, in an open item and in the command's output."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from registration.models import Difference, Payment
from registration.models.refund import State
from registration.money import format_money

Kind = Difference.Kind
Facts = dict[str, Any]

WHAT_DIFFERS = {
    Kind.REFUND_MISSING_HERE: gettext_lazy("%(theirs)s was refunded at Stripe and is not in our books."),
    Kind.REFUND_MISSING_THERE: gettext_lazy("Our books say that %(ours)s was refunded. Stripe has no such refund."),
    Kind.REFUND_AMOUNT: gettext_lazy("Stripe refunded %(theirs)s, our books say %(ours)s."),
    Kind.REFUND_CURRENCY: gettext_lazy("Stripe refunded %(theirs)s, our books say %(ours)s: another currency."),
    Kind.REFUND_STATE: gettext_lazy("A refund of %(theirs)s is %(their_state)s at Stripe and %(our_state)s here."),
    Kind.REFUND_PAYMENT: gettext_lazy("A refund of %(theirs)s belongs to another payment at Stripe than here."),
    Kind.PAYMENT_MISSING_HERE: gettext_lazy("%(theirs)s was paid at Stripe and is not in our books."),
    Kind.PAYMENT_MISSING_THERE: gettext_lazy(
        "Our books say that %(ours)s was paid by card. Stripe has no such payment."
    ),
    Kind.PAYMENT_WITHOUT_ID: gettext_lazy("A card payment of %(ours)s names no payment at Stripe."),
    Kind.PAYMENT_TWICE: gettext_lazy("A card payment of %(ours)s is in our books twice; Stripe has it once."),
    Kind.PAYMENT_AMOUNT: gettext_lazy("Stripe took %(theirs)s, our books say %(ours)s."),
    Kind.PAYMENT_CURRENCY: gettext_lazy("Stripe took %(theirs)s, our books say %(ours)s: another currency."),
    Kind.PAYMENT_STATE: gettext_lazy("A payment of %(theirs)s is %(their_state)s at Stripe and %(our_state)s here."),
    Kind.UNKNOWN_PAYMENT: gettext_lazy("%(theirs)s moved at Stripe on a payment that belongs to no order here."),
    Kind.DISPUTE_MISSING_HERE: gettext_lazy("A payment is disputed over %(theirs)s at Stripe, and we did not know."),
    Kind.DISPUTE_STATE: gettext_lazy("A dispute over %(theirs)s is %(their_state)s at Stripe and %(our_state)s here."),
}
WHAT_REPAIR_DOES = {
    Kind.REFUND_MISSING_HERE: gettext_lazy("Repair takes it into the books; the order's balance falls."),
    Kind.REFUND_STATE: gettext_lazy("Repair gives ours the state that Stripe reports, and all that follows from it."),
    Kind.PAYMENT_MISSING_HERE: gettext_lazy("Repair records it on the order it names, or asks you for the order."),
    Kind.PAYMENT_STATE: gettext_lazy("Repair gives ours the state that Stripe reports, and all that follows from it."),
    Kind.UNKNOWN_PAYMENT: gettext_lazy("Repair puts it into needs attention, where it can be matched to an order."),
    Kind.DISPUTE_MISSING_HERE: gettext_lazy("Repair keeps it on the payment, so that refunds respect it."),
    Kind.DISPUTE_STATE: gettext_lazy("Repair gives ours the state that Stripe reports."),
}
WHAT_A_PERSON_DOES = {
    Kind.REFUND_MISSING_HERE: gettext_lazy("The order has no room for it: it went back twice. Its item says more."),
    Kind.PAYMENT_MISSING_HERE: gettext_lazy("It names no order. Match it to the one it belongs to."),
    Kind.UNKNOWN_PAYMENT: gettext_lazy("Match it to the order it belongs to."),
    Kind.REFUND_MISSING_THERE: gettext_lazy(
        "Look whether the conference uses the right Stripe account, then ask whoever changed data by hand. Nothing "
        "here was changed, for what was decided stays written down; say what was found."
    ),
    Kind.REFUND_STATE: gettext_lazy(
        "A refund that ended here does not come back to life. Look at it at Stripe and say what was agreed."
    ),
    Kind.PAYMENT_MISSING_THERE: gettext_lazy(
        "Look whether the conference uses the right Stripe account. Do not refund it; say what was found."
    ),
    Kind.PAYMENT_WITHOUT_ID: gettext_lazy("Find the payment at Stripe by amount and email, and say which one it is."),
    Kind.PAYMENT_TWICE: gettext_lazy("Refund nothing of the second one; say which of the two is right."),
    Kind.PAYMENT_STATE: gettext_lazy("Money that arrived is not taken back by itself. Look at Stripe, then say why."),
}
OTHERWISE = gettext_lazy("What was written down is not edited. Find out which side is right, and say what was done.")


def told(kind: str, ours: Facts, theirs: Facts) -> str:
    """What differs, in one plain sentence."""
    pattern = WHAT_DIFFERS.get(Kind(kind)) if kind in Kind.values else None
    return str(pattern) % _values(ours, theirs) if pattern else _("Stripe and our books differ.")


def advice(kind: str, *, beyond_repair: bool = False) -> str:
    """What repair does about it or, where it cannot help, what a person does."""
    known = Kind(kind) if kind in Kind.values else None
    repair = None if beyond_repair or known is None else WHAT_REPAIR_DOES.get(known)
    return str(repair or (WHAT_A_PERSON_DOES.get(known) if known else None) or OTHERWISE)


def in_one_line(difference: Difference) -> str:
    """For a terminal: the kind, what it is about, what differs and what became of it."""
    order = f" ({difference.order.reference})" if difference.order else ""
    sentence = told(difference.kind, difference.ours, difference.theirs)
    became = "" if difference.state == Difference.State.OPEN else f" {difference.get_state_display()}."
    return f"{difference.kind} {difference.subject}{order}: {sentence}{became}"


def amount_in(facts: Facts) -> str:
    """A side's amount with its currency; empty when the side has none."""
    try:
        return format_money(Decimal(str(facts.get("amount"))), str(facts.get("currency", "")))
    except InvalidOperation:
        return ""


def state_in(facts: Facts) -> str:
    """A side's state in words."""
    state = str(facts.get("state") or "")
    labels: dict[str, Any] = dict(State.choices) | dict(Payment.Status.choices)
    return str(labels.get(state) or state.replace("_", " ")).lower()


def _values(ours: Facts, theirs: Facts) -> Facts:
    some = _("some money")
    return {
        "ours": amount_in(ours) or some,
        "theirs": amount_in(theirs) or some,
        "our_state": state_in(ours) or _("unknown"),
        "their_state": state_in(theirs) or _("unknown"),
    }
