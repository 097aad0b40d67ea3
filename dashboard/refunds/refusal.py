"""What is wrong with a refund form: the summary of one that was not sent, and why its preview shows no result."""

from __future__ import annotations

from dataclasses import replace

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard.forms.refund import RefundForm
from dashboard.refusal import Refusal, refusal_of
from registration.money import format_money

FORM_ONLY = ("nonce", "balance_seen", "full_amount", "retry_of", "item")
"""Hidden fields: what is wrong with them is said in the summary, without a link."""

MONEY = ("mode", "lines", "amount", "fee_kind", "fee_amount", "fee_percent", "destination", "credit_amount")
"""What the result follows from; reason, note and ticks are asked for when it is sent."""
TICKED_IN = {"confirm_total": "both-warning", "confirm_repeat": "radar"}
"""The ticks that a button waits for, and the elements that say why."""


def problems(form: RefundForm) -> list[str | SafeString]:
    """The summary's lines, each a link to the field it is about."""
    lines: list[str | SafeString] = []
    for name, sentences in form.errors.items():
        for sentence in dict.fromkeys(map(str, sentences)):
            if name == "__all__" or name in FORM_ONLY:
                lines.append(sentence)
            else:
                lines.append(format_html('<a href="#{}">{}</a>', _anchor(form, name), sentence))
    return list(dict.fromkeys(lines))


def _anchor(form: RefundForm, name: str) -> str:
    """The id of the control: groups are reached through their first."""
    if name == "lines" and form.line_rows:
        return f"id_lines_{form.line_rows[0].line_item.pk}"
    return {"mode": "id_mode_full", "destination": "id_destination_CARD"}.get(name, f"id_{name}")


def refund_refusal(form: RefundForm, *, is_summed_up: bool = False) -> Refusal:
    """Why there is no result: the balance moved, something is wrong, or something is still to be filled in.

    Args:
        form: Cleaned, or not bound yet.
        is_summed_up: A summary of what is wrong heads the form.
    """
    if form.is_bound and form.is_stale:
        return Refusal(
            _("This order changed while you had it open. Press the button to see its new amounts; that sends nothing.")
        )
    money = (*MONEY[:2], *form.counts.values(), *MONEY[2:])
    hidden = dict.fromkeys((*FORM_ONLY, "__all__"), "id_mode_full")
    found = refusal_of(form, {name: _anchor(form, name) for name in money} | hidden)
    if found is not None and found.is_wrong and found.field not in hidden and is_summed_up:
        # The summary and the field say it already.
        return replace(found, text=_("The result shows once that is mended."), is_wrong=False)
    if found is None:
        return Refusal(_what_is_missing(form, "amount"), "id_mode_full", is_wrong=False)
    return found if found.is_wrong else replace(found, text=_what_is_missing(form, found.field) or found.text)


def _what_is_missing(form: RefundForm, name: str) -> str:
    """What an empty field is waited for with; nothing where its own sentence says it."""
    if name == "amount":
        left = format_money(form.ceiling, form.order.currency)
        return _("Choose an amount to see the result. Refundable now: %(amount)s.") % {"amount": left}
    texts = {
        "fee_amount": _("Enter the fee to keep to see the result."),
        "fee_percent": _("Enter the percentage to keep to see the result."),
        "credit_amount": _("Enter how much becomes store credit to see the result."),
    }
    return texts.get(name, "")


def stopped(refusal: Refusal | None, tick: str) -> dict[str, str]:
    """What keeps the button from being ready: the element that says why, and the control to go to."""
    if refusal is not None and refusal.control:
        return {"stopped_by": "preview-refusal", "mend_at": refusal.control}
    return {"stopped_by": TICKED_IN.get(tick, ""), "mend_at": f"id_{tick}"}
