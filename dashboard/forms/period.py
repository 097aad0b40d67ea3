"""From when on, and up to when: asked for in one way everywhere, and the wrong way round is said, never turned."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dashboard.forms.fields import DATE_LIKE

RANGES = (
    ("since", "until", _("Choose a day that is not before the first one.")),
    ("least", "most", _("Enter an amount that is not less than the first one.")),
)
"""Fields that are the two ends of one range, and what is said of an end before the beginning."""


class RangesForm(forms.Form):
    """Fields of which two may be one range."""

    def clean(self) -> dict[str, Any]:
        """Leave out the end of a range that comes before its beginning."""
        cleaned: dict[str, Any] = super().clean() or {}
        for first, last, problem in RANGES:
            beginning, end = cleaned.get(first), cleaned.get(last)
            if beginning is not None and end is not None and beginning > end:
                self.add_error(last, problem)
        return cleaned


def _day(label: Any) -> forms.DateField:
    widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(required=False, label=label, widget=widget, error_messages={"invalid": DATE_LIKE})


class PeriodForm(RangesForm):
    """From when on, and up to when; both days included."""

    since = _day(pgettext_lazy("period", "From"))
    until = _day(_("Up to"))
