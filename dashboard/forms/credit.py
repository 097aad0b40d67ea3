"""The forms that use, give, correct and withdraw store credit. They check shape; the services check rules."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard.forms.fields import AmountField, typed
from registration.models import Conference, Credit, Order
from registration.money import format_money
from registration.statement import CreditPlan, left_with, plan_of

NO_CREDIT = _("Choose at least one credit.")
GONE = _("One of these credits can no longer be used. Choose again.")
NO_DIRECTION = _("Say whether to add or to take off.")
NO_REASON = _("Enter a reason. The next colleague reads it in the history.")


class ApplyForm(forms.Form):
    """Which credits pay how much of one order."""

    credits: forms.ModelMultipleChoiceField[Credit] = forms.ModelMultipleChoiceField(
        queryset=Credit.objects.none(),
        error_messages={"required": NO_CREDIT, "invalid_choice": GONE, "invalid_pk_value": GONE, "list": GONE},
    )
    amount = AmountField()
    due_seen = forms.DecimalField(widget=forms.HiddenInput)
    proposed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, order: Order, **kwargs: Any) -> None:
        """Offer what the order's attendee can spend there, preselecting what covers it, oldest expiry first."""
        self.order = order
        held = Credit.objects.spendable().filter(user_id=order.user_id, conference_id=order.conference_id)
        self.offered = list(held.select_related("conference"))
        self.whole_plan = plan_of(self.offered, order)
        kwargs["initial"] = {
            "credits": [credit.pk for credit, _amount in self.whole_plan.parts],
            "amount": self.whole_plan.amount,
            "due_seen": order.due_amount,
            "proposed": typed(self.whole_plan.amount, order.currency),
        } | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        cast("forms.ModelMultipleChoiceField[Credit]", self.fields["credits"]).queryset = held
        cast("AmountField", self.fields["amount"]).set_currency(order.currency)

    @property
    def has_typed_amount(self) -> bool:
        """Whether the amount is somebody's own: it stays when other credits are ticked."""
        return bool(self.data.get("proposed")) and self["amount"].value() not in ("", self.data.get("proposed"))

    @property
    def chosen_keys(self) -> set[str]:
        """Keys of the credits that are ticked now."""
        return {str(key) for key in self["credits"].value() or ()}

    @property
    def chosen(self) -> list[Credit]:
        """The credits that are ticked now."""
        return [credit for credit in self.offered if str(credit.pk) in self.chosen_keys]

    def plan(self) -> CreditPlan:
        """What would happen: with the amount entered, or as much as the ticked credits can pay."""
        amount: Decimal | None = self.cleaned_data.get("amount") if self.is_bound and self.is_valid() else None
        return plan_of(self.chosen, self.order, amount)

    def most_plan(self) -> CreditPlan:
        """The most that the ticked credits can pay."""
        return plan_of(self.chosen, self.order)

    def clean(self) -> dict[str, Any]:
        """Refuse more than credits and order allow, naming the most."""
        data = super().clean() or {}
        amount = data.get("amount")
        if amount is not None and data.get("credits"):
            most = self.most_plan().amount
            if amount > most:
                text = _("Enter %(most)s or less: that is what these credits and the order allow.")
                self.add_error("amount", text % {"most": format_money(most, self.order.currency)})
        return data


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=500, error_messages={"required": NO_REASON})


class ExpiryField(forms.DateField):
    """The last day a credit can be used; the value is the last moment of that day at the conference."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def moment(self, value: Any, conference: Conference) -> datetime:
        """Turn a day that has not passed into its last moment.

        Raises:
            ValidationError: The day is over.
        """
        last = datetime.combine(value, time(23, 59, 59), tzinfo=ZoneInfo(conference.timezone))
        if last <= timezone.now():
            raise ValidationError(_("Choose today or a later day."))
        return last


class IssueForm(ReasonForm):
    """A gift to an attendee."""

    amount = AmountField()
    expires_on = ExpiryField(required=False, error_messages={"invalid": _("Enter a day like 2027-12-31.")})
    field_order = ("amount", "reason", "expires_on")

    def __init__(self, *args: Any, conference: Conference, **kwargs: Any) -> None:
        """Read amounts in the conference's currency and offer its usual expiry."""
        self.conference = conference
        if conference.credit_validity_days:
            usual = timezone.localdate(timezone=ZoneInfo(conference.timezone))
            usual += timedelta(days=conference.credit_validity_days)
            kwargs["initial"] = {"expires_on": usual} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        cast("AmountField", self.fields["amount"]).set_currency(conference.currency)

    def clean_expires_on(self) -> datetime | None:
        """Return the last moment of the day, or nothing."""
        day = self.cleaned_data.get("expires_on")
        return cast("ExpiryField", self.fields["expires_on"]).moment(day, self.conference) if day else None


class ExtendForm(ReasonForm):
    """A later last day of use, or none."""

    expires_on = ExpiryField(required=False, error_messages={"invalid": _("Enter a day like 2027-12-31.")})

    def __init__(self, *args: Any, credit: Credit, **kwargs: Any) -> None:
        """Know the conference, whose days count."""
        self.conference = credit.conference
        super().__init__(*args, **kwargs)

    def clean_expires_on(self) -> datetime | None:
        """Return the last moment of the day, or nothing for a credit that shall not expire."""
        day = self.cleaned_data.get("expires_on")
        return cast("ExpiryField", self.fields["expires_on"]).moment(day, self.conference) if day else None


class AdjustForm(ReasonForm):
    """A correction of what is left: more, or less."""

    MORE, LESS = "more", "less"
    direction = forms.ChoiceField(
        choices=[(MORE, _("Add")), (LESS, _("Take off"))],
        initial=MORE,
        error_messages={"required": NO_DIRECTION, "invalid_choice": NO_DIRECTION},
    )
    amount = AmountField()
    left_seen = forms.DecimalField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, credit: Credit, **kwargs: Any) -> None:
        """Read amounts in the credit's currency."""
        self.credit = credit
        kwargs["initial"] = {"left_seen": credit.remaining_amount} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        cast("AmountField", self.fields["amount"]).set_currency(credit.currency)

    def clean(self) -> dict[str, Any]:
        """Refuse to take more than there is, unless something moved meanwhile: then the service says so."""
        data = super().clean() or {}
        is_fresh = data.get("left_seen") == self.credit.remaining_amount
        if is_fresh and data.get("amount") and data.get("direction") and left_with(self.credit, self.delta)[1] < 0:
            self.add_error("amount", _("There is less left on this credit than you want to take."))
        return data

    @property
    def delta(self) -> Decimal:
        """The signed change, in the credit's currency."""
        amount: Decimal = self.cleaned_data["amount"]
        return amount if self.cleaned_data["direction"] == self.MORE else -amount
