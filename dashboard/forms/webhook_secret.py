"""The form that takes a new webhook secret. It never shows one, not even the one that was just typed."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

NO_OVERLAP = _("Choose how long the old secret counts.")
OVERLAPS = (
    ("24", _("Keep the old one for 24 hours, while Stripe signs with both")),
    ("72", _("Keep the old one for 3 days")),
    ("0", _("Stop the old one at once, for somebody else may know it")),
)


class SecretForm(forms.Form):
    """A new secret, and for how long the one before still counts."""

    secret = forms.CharField(
        max_length=250,
        label=_("New signing secret"),
        help_text=_("As Stripe shows it for the endpoint; it begins with whsec_."),
        error_messages={"required": _("Enter the signing secret of the endpoint.")},
        widget=forms.PasswordInput({"autocomplete": "off", "spellcheck": "false"}, render_value=False),
    )
    overlap_hours = forms.ChoiceField(
        choices=OVERLAPS,
        initial="24",
        label=_("The secret before"),
        error_messages={"required": NO_OVERLAP, "invalid_choice": NO_OVERLAP},
    )

    def overlap(self) -> timedelta:
        """For how long the one before still counts."""
        return timedelta(hours=int(self.cleaned_data["overlap_hours"]))
