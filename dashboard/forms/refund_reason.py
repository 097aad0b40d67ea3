"""The part of the refund form that says why: the house's reason, and what Stripe is told for it."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from registration.models import Order, RefundReason
from registration.said import reason_in_words


class ReasonForm(forms.Form):
    """A reason of the conference, or of Stripe where it has none of its own."""

    reason = forms.ChoiceField(
        label=_("Reason"), error_messages={"invalid_choice": _("Choose one of the reasons listed.")}
    )
    confirm_fraud = forms.BooleanField(
        required=False, label=_("It was fraud, and I want Stripe to block this card and email address")
    )

    def offer_reasons(self, order: Order) -> None:
        """Offer the reasons of an order's conference."""
        self.reasons = list(order.conference.refund_reasons.filter(is_active=True))
        self.fields["reason"].choices = [  # type: ignore[attr-defined]
            (value, label) for value, label, _told in self.reason_options()
        ]
        self.fields["reason"].error_messages["required"] = _("Choose a reason.")

    def reason_options(self) -> list[tuple[str, str, str]]:
        """Value, words and Stripe's reason of each choice; Stripe's own where the conference has none."""
        if self.reasons:
            return [(str(reason.pk), reason_in_words(reason.label), reason.stripe_reason) for reason in self.reasons]
        return [(value, str(label), value) for value, label in RefundReason.StripeReason.choices]

    @property
    def chosen_reason(self) -> tuple[str, str, str]:
        """The chosen option; call only when the field is valid."""
        return next(option for option in self.reason_options() if option[0] == self.cleaned_data["reason"])

    @property
    def house_reason(self) -> str:
        """The chosen reason as it is kept; each reader has it in a language of their own."""
        return next((each.label for each in self.reasons if str(each.pk) == self.cleaned_data["reason"]), "")
