"""The form that ticks off what somebody paid back by hand."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from registration.models import RefundPart
from registration.services.retries import is_needless

PAID_ANYWAY = _("It was paid already, before anybody saw that the money had gone back another way")


class ManualForm(forms.Form):
    """The reference that finds a transfer again at the bank."""

    reference = forms.CharField(
        max_length=100,
        label=_("Reference of the transfer"),
        help_text=_("It counts as refunded, and is booked, from the moment you record it."),
        error_messages={"required": _("Enter the reference of the transfer.")},
    )

    def __init__(self, *args: Any, part: RefundPart, **options: Any) -> None:
        """Give each part's field its own id: one page may show several."""
        options["auto_id"] = f"id_part_{part.pk}_%s"
        super().__init__(*args, **options)
        self.part = part
        if is_needless(part):
            self.fields["paid_anyway"] = forms.BooleanField(required=False, label=PAID_ANYWAY)
