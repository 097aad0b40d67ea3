"""Which period to compare with Stripe."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dashboard.forms.fields import DATE_LIKE
from registration.services.comparison.nightly import LOOKS_BACK


def _day_input() -> forms.DateInput:
    return forms.DateInput({"type": "date"}, format="%Y-%m-%d")


class ComparisonForm(forms.Form):
    """From when on, and up to when; both days included."""

    since = forms.DateField(
        required=False,
        label=pgettext_lazy("period", "From"),
        widget=_day_input(),
        error_messages={"invalid": DATE_LIKE},
    )
    until = forms.DateField(
        required=False, label=_("Up to"), widget=_day_input(), error_messages={"invalid": DATE_LIKE}
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        """Offer what the nightly comparison covers."""
        super().__init__(*args, **options)
        self.fields["since"].initial = timezone.localdate() - LOOKS_BACK

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", _("Choose a day that is not before the first one."))
        return cleaned
