"""Which period to compare with Stripe."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from dashboard.forms.period import PeriodForm
from registration.services.comparison.nightly import LOOKS_BACK


class ComparisonForm(PeriodForm):
    """A period to compare; an open end is the beginning, or now."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Offer what the nightly comparison covers."""
        super().__init__(*args, **options)
        self.fields["since"].initial = timezone.localdate() - LOOKS_BACK
