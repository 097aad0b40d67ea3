"""The part of the refund form that names line items, and how many of each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from registration.models import Order, OrderLineItem
from registration.money import ZERO
from registration.services.line_counts import amount_of, can_be_counted, count_left
from registration.services.lines import LineLeft, lines_left, total_of

NO_SUCH_LINE = _("Choose among the line items listed.")


@dataclass(frozen=True)
class ChosenLine:
    """A line to refund; ``count`` of ``whole`` where it holds several, else none. In the order's currency."""

    description: str
    count: int | None
    whole: int
    amount: Decimal


class LineItemsForm(forms.Form):
    """Line items to tick, each with a number where it holds several."""

    lines = forms.TypedMultipleChoiceField(
        coerce=int,
        required=False,
        label=_("Line items"),
        error_messages={"invalid_choice": NO_SUCH_LINE, "invalid_list": NO_SUCH_LINE},
    )

    lines_seen = forms.CharField(required=False, widget=forms.HiddenInput)
    """What was left of each line when the form was opened, as ``lines_now`` writes it."""

    @property
    def line_items(self) -> list[OrderLineItem]:
        """The order's line items."""
        return [row.line_item for row in self.line_rows]

    @property
    def lines_now(self) -> str:
        """What is left of each line; with the order's balance all that tells a form of another moment apart."""
        return " ".join(f"{row.line_item.pk}:{row.left_amount}" for row in self.line_rows)

    def offer_lines(self, order: Order) -> None:
        """Offer what is left of an order's lines; the number opens with all that are left of a line."""
        self.line_rows, self.counts = lines_left(order), dict[int, str]()
        self.initial["lines_seen"] = self.lines_now
        self.fields["lines"].choices = [  # type: ignore[attr-defined]
            (row.line_item.pk, row.line_item.description) for row in self.line_rows
        ]
        for row in self.line_rows if can_be_counted(order, self.line_rows) else ():
            most = count_left(row, order.currency)
            if most > 1 and row.left_amount > ZERO:
                name = self.counts[row.line_item.pk] = f"count_{row.line_item.pk}"
                self.fields[name] = self._count_field(name, most)

    def _count_field(self, name: str, most: int) -> forms.IntegerField:
        wrong = gettext("Enter a number from 1 to %(most)s.") % {"most": most}
        messages = dict.fromkeys(("invalid", "min_value", "max_value"), wrong)
        widget = forms.NumberInput({"aria-describedby": f"id_{name}_error", "autocomplete": "off"})
        return forms.IntegerField(
            required=False,
            min_value=1,
            max_value=most,
            initial=most,
            label=_("How many"),
            widget=widget,
            error_messages=messages,
        )

    def asked_counts(self, data: dict[str, Any]) -> set[str]:
        """The names of the numbers that the ticked lines call for."""
        return {name for key, name in self.counts.items() if key in (data.get("lines") or ())}

    def require_counts(self, data: dict[str, Any]) -> None:
        """A number that was emptied is still to be typed: it stands for none, and never for all."""
        for name in self.asked_counts(data):
            if data.get(name) is None and name in self.data and name not in self.errors:
                self.add_error(name, self.fields[name].error_messages["invalid"])

    def chosen_lines(self, data: dict[str, Any], currency: str) -> dict[int, ChosenLine]:
        """The ticked lines of which something goes back, by key."""
        ticked = (row for row in self.line_rows if row.line_item.pk in data["lines"])
        chosen = {row.line_item.pk: self._chosen(row, data, currency) for row in ticked}
        return {key: line for key, line in chosen.items() if line.amount > ZERO}

    def _chosen(self, row: LineLeft, data: dict[str, Any], currency: str) -> ChosenLine:
        item, count, amount = row.line_item, None, row.left_amount
        if name := self.counts.get(item.pk):
            count = data.get(name) or count_left(row, currency)
            amount = amount_of(row, count, currency)
        return ChosenLine(item.description, count, item.quantity, amount)


def total_of_lines(chosen: dict[int, ChosenLine]) -> Decimal:
    """What the chosen lines come to."""
    return total_of(line.amount for line in chosen.values())
