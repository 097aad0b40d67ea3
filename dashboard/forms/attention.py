"""The forms that settle an open item. They check shape; the services check rules."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class ItemForm(forms.Form):
    """One thing to do about one item; each item's fields have their own ids, for a page shows many."""

    action = ""

    def __init__(self, *args: Any, item_pk: int, **options: Any) -> None:
        """Name the fields after the item."""
        options["auto_id"] = f"id_item_{item_pk}_{self.action}_%s"
        super().__init__(*args, **options)


class AcknowledgeForm(ItemForm):
    """What was done about it, in words."""

    action = "acknowledge"
    note = forms.CharField(
        max_length=300,
        label=_("What was done about it"),
        error_messages={"required": _("Say what was done about it; the next colleague will read it.")},
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class MatchForm(ItemForm):
    """The order it belongs to."""

    action = "match"
    reference = forms.CharField(
        max_length=100,
        label=_("Reference of the order it belongs to"),
        error_messages={"required": _("Enter the reference of the order.")},
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
