"""The part of the refund form that names line items, and how many of each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.line_counts import amount_of, count_left
from registration.models import Order
from registration.money import ZERO
from registration.services.lines import lines_left, total_of

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

    def offer_lines(self, order: Order) -> None:
        """Offer what is left of an order's lines; the number opens with all that are left of a line."""
        self.line_rows, self.counts = lines_left(order), dict[int, str]()
        self.fields["lines"].choices = [  # type: ignore[attr-defined]
            (row.line_item.pk, row.line_item.description) for row in self.line_rows
        ]
        for row in self.line_rows:
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

    def chosen_lines(self, data: dict[str, Any], currency: str) -> dict[int, ChosenLine]:
        """The ticked lines with something left, by key; an empty number stands for all that are left."""
        chosen = {}
        for row in self.line_rows:
            key, item = row.line_item.pk, row.line_item
            if key not in data["lines"] or row.left_amount <= ZERO:
                continue
            most = count_left(row, currency)
            count = (data.get(self.counts[key]) or most) if key in self.counts else None
            amount = row.left_amount if count is None else amount_of(row, count, currency)
            chosen[key] = ChosenLine(item.description, count, item.quantity, amount)
        return chosen


def total_of_lines(chosen: dict[int, ChosenLine]) -> Decimal:
    """What the chosen lines come to."""
    return total_of(line.amount for line in chosen.values())
