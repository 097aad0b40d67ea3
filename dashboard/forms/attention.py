"""The forms that settle an open item. They check shape; the services check rules."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class ItemForm(forms.Form):
    """One thing to do about one item; each item's fields have their own ids, for a page shows many."""

    action = ""
    label: Any = ""
    """What opens it."""
    button: Any = ""
    busy: Any = _("Saving")
    explains: Any = ""
    """What will happen, where the fields do not say it."""
    permission = ""
    """What it needs beside the permission to settle."""

    def __init__(self, *args: Any, item_pk: int, **options: Any) -> None:
        """Name the fields after the item."""
        options["auto_id"] = f"id_item_{item_pk}_{self.action}_%s"
        super().__init__(*args, **options)


class AcknowledgeForm(ItemForm):
    """What was done about it, in words."""

    action = "acknowledge"
    label = _("Settle with a note…")
    button = _("Settle")
    note = forms.CharField(
        max_length=300,
        label=_("What was done about it"),
        error_messages={"required": _("Say what was done about it; the next colleague will read it.")},
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class MatchForm(ItemForm):
    """The order it belongs to."""

    action = "match"
    label = _("Match to an order…")
    button = _("Match to this order")
    busy = _("Asking Stripe")
    reference = forms.CharField(
        max_length=100,
        label=_("Reference of the order it belongs to"),
        error_messages={"required": _("Enter the reference of the order.")},
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )


class TransferForm(ItemForm):
    """The transfer that was made instead of a refund to the card."""

    action = "transfer"
    label = _("Paid by hand instead…")
    button = _("Record the transfer")
    explains = _("Make the transfer first. Then record the reference that finds it again at the bank.")
    reference = forms.CharField(
        max_length=100,
        label=_("Reference of the transfer"),
        error_messages={"required": _("Enter the reference of the transfer.")},
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )


class TakeBackForm(ItemForm):
    """The credit that was given for money that went to the card as well."""

    action = "take_back"
    label = _("Take the credit back…")
    button = _("Take the credit back")
    busy = _("Asking Stripe")
    explains = _(
        "As much credit as went to the card is taken back from the attendee, and the refund comes into the books."
    )
    permission = "registration.adjust_credit"


class SendBackForm(ItemForm):
    """Money that arrived after the end."""

    action = "send_back"
    label = _("Send it back…")
    button = _("Send it back to the card")
    busy = _("Sending to Stripe")
    explains = _("All that is left of this payment is refunded to the card it came from.")
