"""The refund form: what is asked for, where it goes, and why."""

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import prefetch_related_objects
from django.utils.functional import cached_property, lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from dashboard.forms.fields import RELOAD, AmountField, AmountSeenField, PercentField
from dashboard.forms.refund_lines import ChosenLine, LineItemsForm, total_of_lines
from dashboard.forms.refund_reason import ReasonForm
from registration.models import OpenItem, Order, Refund
from registration.money import ZERO, format_money
from registration.services.duplicates import Similar, is_repeat, similar_refunds
from registration.services.errors import RefundError
from registration.services.planner import RefundPlan, blocked_reason, fee_from_percent, plan_refund, refund_ceiling
from registration.services.retries import check_retry, most_to_try
from registration.services.surplus import TOO_MUCH, check_for_item, item_of, left_for, payment_of, why_nothing_left

Destination = Refund.Destination
format_html_lazy = lazy(format_html, SafeString)
FULL, ITEMS, CUSTOM = "full", "items", "custom"
FIXED, PERCENT = "fixed", "percent"


class RefundForm(LineItemsForm, ReasonForm):
    """Checks the shape of a refund; ``plan`` asks the domain what it would do."""

    mode = forms.ChoiceField(choices=[(FULL, _("Full")), (ITEMS, _("Line items")), (CUSTOM, _("Custom"))])
    amount = AmountField(required=False, label=_("Custom amount"))
    fee_kind = forms.ChoiceField(
        choices=[("", _("No fee")), (FIXED, _("Fixed amount")), (PERCENT, _("Percentage"))],
        required=False,
        label=_("Keep a fee"),
        error_messages={"invalid_choice": _("Choose whether a fee is kept.")},
    )
    fee_amount = AmountField(required=False, label=_("Fee to keep"))
    fee_percent = PercentField(required=False, label=_("Percentage to keep"))
    destination = forms.ChoiceField(choices=Destination, label=_("Send to"))
    credit_amount = AmountField(required=False, label=_("How much becomes store credit"))
    confirm_total = forms.CharField(required=False)
    confirm_repeat = forms.CharField(required=False)
    note = forms.CharField(
        required=False,
        max_length=2000,
        # What it is called, and that it may stay empty, which the page hides where it may not.
        label=format_html_lazy('{} <span class="optional">{}</span>', _("Internal note"), _("optional")),
        widget=forms.Textarea({"rows": 2}),
        help_text=_("Staff only. Goes to the timeline and the audit log."),
    )
    nonce = forms.UUIDField(widget=forms.HiddenInput, error_messages={"required": RELOAD, "invalid": RELOAD})
    balance_seen = AmountSeenField()
    full_amount = AmountSeenField()
    retry_of = forms.IntegerField(required=False, widget=forms.HiddenInput, error_messages={"invalid": RELOAD})
    item = forms.IntegerField(required=False, widget=forms.HiddenInput, error_messages={"invalid": RELOAD})
    """The open item about money paid too much that it is for; no more than what is left of that goes back."""

    def __init__(self, *args: Any, order: Order, **options: Any) -> None:
        """Fit the fields to one order."""
        self.order = order
        prefetch_related_objects([order], "refunds__lines", "refunds__parts")
        self.ceiling = refund_ceiling(order)
        options["initial"] = self._opening_values() | options.get("initial", {})
        super().__init__(*args, **options)
        self.again = self._refund_named(self["retry_of"].value())
        self.for_item = self._item_named(self["item"].value()) or (item_of(self.again) if self.again else None)
        if self.for_item is not None:
            self.ceiling = min(self.ceiling, left_for(self.for_item, order))
            # What was paid too much belongs to no line item: all of them stay paid for.
            self.fields["mode"].choices = [(FULL, _("Full")), (CUSTOM, _("Custom"))]  # type: ignore[attr-defined]
        if self.again is not None and (most := most_to_try(self.again)) is not None:
            self.ceiling = min(self.ceiling, most)
        self.initial["full_amount"] = self.ceiling
        for name in ("amount", "fee_amount", "credit_amount"):
            self.fields[name].set_currency(order.currency)  # type: ignore[attr-defined]
        for name in ("amount", "fee_amount", "fee_percent", "credit_amount"):
            # The place below each says what is wrong as soon as it is, also before the form is sent.
            self.fields[name].widget.attrs["aria-describedby"] = f"id_{name}_error"
        self.offer_lines(order)
        self.offer_reasons(order)
        for wrong in ("required", "invalid_choice"):
            self.fields["mode"].error_messages[wrong] = _("Choose how much goes back.")
            self.fields["destination"].error_messages[wrong] = _("Choose where the money goes.")
        self._plan: RefundPlan | None = None
        self.chosen: dict[int, ChosenLine] = {}

    def _opening_values(self) -> dict[str, Any]:
        return {
            "mode": FULL,
            "destination": self.order.conference.refund_destination,
            "nonce": uuid.uuid4(),
            "balance_seen": self.order.refundable_amount,
            "full_amount": self.ceiling,
        }

    def _refund_named(self, key: Any) -> Refund | None:
        return self.order.refunds.filter(pk=key).first() if str(key or "").isdecimal() else None

    def _item_named(self, key: Any) -> OpenItem | None:
        items = self.order.open_items.filter(kind__in=TOO_MUCH).select_related("payment")
        return items.filter(pk=key).first() if str(key or "").isdecimal() else None

    @property
    def blocked(self) -> str:
        """Why nothing can be refunded by this form; empty when something can."""
        return blocked_reason(self.order) or (why_nothing_left(self.for_item, self.order) if self.for_item else "")

    @property
    def is_stale(self) -> bool:
        """Whether the order's balance, or what its chosen lines have left, is no longer what the operator saw."""
        data = self.cleaned_data
        seen = data.get("balance_seen")
        if data.get("mode") == ITEMS and data.get("lines_seen") != self.lines_now:
            return True
        return seen is not None and seen != self.order.refundable_amount

    def clean(self) -> dict[str, Any]:
        """Check what depends on more than one field, then ask the domain for the plan."""
        data = self.cleaned_data
        if data.get("item") and self.for_item is None:
            self.add_error("item", RELOAD)
        self._pass_over_unasked(data)
        self._clean_amount(data)
        self._clean_fee(data)
        if data.get("destination") == Destination.SPLIT and not self._has(data, "credit_amount"):
            self._require("credit_amount")
        if not self.is_stale:
            self._make_plan(data)
            self._clean_consent(data)
        return data

    def _pass_over_unasked(self, data: dict[str, Any]) -> None:
        """Refuse nothing for what stands in a field that no choice calls for; it counts for nothing."""
        asked = {
            "lines": data.get("mode") == ITEMS,
            "amount": data.get("mode") == CUSTOM,
            "fee_amount": data.get("fee_kind") == FIXED,
            "fee_percent": data.get("fee_kind") == PERCENT,
            "credit_amount": data.get("destination") == Destination.SPLIT,
        } | dict.fromkeys(self.counts.values(), False)
        if asked["lines"]:
            asked |= dict.fromkeys(self.asked_counts(data), True)
        for name in (name for name, is_asked in asked.items() if not is_asked):
            self.errors.pop(name, None)

    def _has(self, data: dict[str, Any], name: str) -> bool:
        return data.get(name) is not None

    def _require(self, name: str) -> None:
        """An empty field that its neighbour calls for; one that is wrong already says so itself."""
        if name not in self.errors:
            self.add_error(name, self.fields[name].error_messages["required"])

    def _clean_amount(self, data: dict[str, Any]) -> None:
        mode = data.get("mode")
        data["gross"], data["line_amounts"] = None, None
        if mode == FULL:
            data["gross"] = data.get("full_amount")
        elif mode == CUSTOM:
            data["gross"] = data.get("amount")
            if data["gross"] is None:
                self._require("amount")
            elif data["gross"] > self.ceiling and self.for_item is None and not self.is_stale:
                self.add_error("amount", self._too_much(data["gross"]))
        elif mode == ITEMS:
            self.require_counts(data)
            self._clean_lines(data)

    def _clean_lines(self, data: dict[str, Any]) -> None:
        if self.errors.keys().isdisjoint(("lines", *self.counts.values())):
            self.chosen = self.chosen_lines(data, self.order.currency)
            data["line_amounts"] = {key: line.amount for key, line in self.chosen.items()}
            data["gross"] = total_of_lines(self.chosen) or None
            if data["gross"] is None and not self.is_stale:
                self.add_error("lines", _("Choose at least one line item with something left."))

    def _too_much(self, amount: Decimal) -> str:
        """By how much an amount is more than can go back, and what to type instead."""
        over, most = (format_money(each, self.order.currency) for each in (amount - self.ceiling, self.ceiling))
        values = {"amount": format_money(amount, self.order.currency), "over": over, "most": most}
        return _("%(amount)s is %(over)s more than can be refunded. Enter %(most)s or less.") % values

    def _clean_fee(self, data: dict[str, Any]) -> None:
        data["fee"], gross, kind = ZERO, data["gross"], data.get("fee_kind")
        if kind == FIXED:
            data["fee"] = data.get("fee_amount")
            if data["fee"] is None:
                self._require("fee_amount")
            elif gross is not None and data["fee"] >= gross:
                self.add_error("fee_amount", _("Enter a fee that is less than the amount."))
        elif kind == PERCENT:
            if not self._has(data, "fee_percent"):
                self._require("fee_percent")
            elif gross is not None:
                self._clean_percent(data, gross)

    def _clean_percent(self, data: dict[str, Any], gross: Decimal) -> None:
        try:
            data["fee"] = fee_from_percent(gross, data["fee_percent"], self.order.currency)
        except RefundError as error:
            self.add_error("fee_percent", error.sentence)

    def _make_plan(self, data: dict[str, Any]) -> None:
        money = {"mode", "lines", "amount", "full_amount", "fee_kind", "fee_amount", "fee_percent"}
        if data["gross"] is None or not money.isdisjoint(self.errors):
            return
        if not {"destination", "credit_amount"}.isdisjoint(self.errors):
            return
        try:
            if self.for_item is not None:
                check_for_item(self.order, self.for_item, data["gross"])
            self._plan = plan_refund(
                self.order,
                amount=data["gross"],
                destination=data["destination"],
                credit_amount=data.get("credit_amount"),
                fee_amount=data["fee"],
                after_end=True,
                payment=payment_of(self.for_item),
            )
            check_retry(self.order, self.again, self._plan.amount)
        except RefundError as error:
            self._plan = None
            self.refuse(error.sentence)

    def _clean_consent(self, data: dict[str, Any]) -> None:
        if data.get("destination") == Destination.CARD_AND_CREDIT:
            if self._plan is not None and data.get("confirm_total") != str(self._plan.total_out):
                self.add_error("confirm_total", _("Tick that you want to pay out twice, or send it to one place."))
            if not data.get("note"):
                self.add_error("note", _("Write down why the attendee gets this twice."))
        if self.is_repeat and not self.has_confirmed_repeat:
            self.add_error("confirm_repeat", _("Tick that you want to refund this amount again."))
        if data.get("reason") and self.chosen_reason[2] == "fraudulent" and not data.get("confirm_fraud"):
            self.add_error("confirm_fraud", _("Tick that it was fraud, or choose another reason."))

    def refuse(self, sentence: str) -> None:
        """Show a sentence of the domain at the field that it is about."""
        self.add_error(self._field_at_fault(), sentence)

    def _field_at_fault(self) -> str | None:
        data = self.cleaned_data
        gross, mode = data.get("gross"), data.get("mode")
        if gross is not None and (gross > self.ceiling or self.again is not None):
            return {CUSTOM: "amount", ITEMS: "lines"}.get(str(mode))
        return "credit_amount" if data.get("destination") == Destination.SPLIT else None

    @property
    def plan(self) -> RefundPlan | None:
        """What the refund would do; ``None`` while its amounts are not complete."""
        return self._plan if self.is_bound else self._opening_plan()

    @cached_property
    def similar(self) -> list[Similar]:
        """Refunds of the same sum to the same person or card; ask once the form was cleaned."""
        return similar_refunds(self.order, self.plan.amount) if self.plan else []

    @property
    def is_repeat(self) -> bool:
        """Whether this may be the same refund sent a second time."""
        return is_repeat(self.order, self.similar)

    @property
    def has_confirmed_repeat(self) -> bool:
        """Whether the tick that it is meant was for this very sum."""
        return self.plan is not None and self["confirm_repeat"].value() == str(self.plan.amount)

    def _opening_plan(self) -> RefundPlan | None:
        """What the form would do as it opens; ``None`` when its first choices do not go together."""
        mode = self.get_initial_for_field(self.fields["mode"], "mode")
        if mode == ITEMS:
            self.chosen = self.chosen_lines({"lines": (), **self.initial}, self.order.currency)
        amounts = {
            FULL: self.ceiling,
            CUSTOM: Decimal(self.initial.get("amount") or 0),
            ITEMS: total_of_lines(self.chosen),
        }
        try:
            return plan_refund(
                self.order,
                amount=amounts[mode],
                destination=self.initial["destination"],
                after_end=True,
                payment=payment_of(self.for_item),
            )
        except RefundError:
            return None

    def service_arguments(self) -> dict[str, Any]:
        """What ``RefundService.create_refund`` is called with; call only on a valid form."""
        data = self.cleaned_data
        _value, _label, stripe_reason = self.chosen_reason
        return {
            "amount": data["gross"],
            "after_end": True,
            "reason": stripe_reason,
            "destination": data["destination"],
            "credit_amount": data["credit_amount"] if data["destination"] == Destination.SPLIT else None,
            "fee_amount": data["fee"],
            "note": data["note"],
            "internal_reason": self.house_reason,
            "line_amounts": data["line_amounts"],
            "nonce": str(data["nonce"]),
            "balance_seen": data["balance_seen"],
            "retry_of": self.again,
            "for_item": self.for_item,
        }
