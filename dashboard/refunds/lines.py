"""The line items of the refund panel: what can be ticked, how many of each, and what was chosen comes to."""

from __future__ import annotations

from dataclasses import dataclass

from django.forms import BoundField
from django.utils.translation import gettext as _

from dashboard.forms.refund import RefundForm
from dashboard.forms.refund_lines import ChosenLine
from registration.models import Order, RefundLine
from registration.money import format_money
from registration.sentences import counted
from registration.services.line_counts import count_left
from registration.services.lines import LineLeft


@dataclass
class Line:
    """One line item to tick."""

    pk: int
    description: str
    left: str
    note: str
    checked: bool
    disabled: bool
    count: BoundField | None
    """The number of a line that holds several."""
    whole: str


def lines_of(form: RefundForm) -> list[Line]:
    """The line items, as the form stands."""
    chosen = {str(value) for value in form["lines"].value() or ()}
    order = form.order
    return [
        Line(
            pk=row.line_item.pk,
            description=row.line_item.description,
            left=format_money(row.left_amount, order.currency),
            note=_line_note(order, row),
            checked=str(row.line_item.pk) in chosen and row.left_amount > 0,
            disabled=row.left_amount <= 0,
            count=form[form.counts[row.line_item.pk]] if row.line_item.pk in form.counts else None,
            whole=_("of %(count)s") % {"count": count_left(row, order.currency)},
        )
        for row in form.line_rows
    ]


def _line_note(order: Order, row: LineLeft) -> str:
    """How many at what price, where it holds several, and what went back of it."""
    item, notes = row.line_item, []
    if item.quantity > 1:
        notes.append(f"{item.quantity} × {format_money(item.unit_price, order.currency)}")
    if row.refunded_amount:
        notes.append(_("%(amount)s refunded before") % {"amount": format_money(row.refunded_amount, order.currency)})
    return ", ".join(notes)


def line_in_words(line: RefundLine) -> str:
    """What a refund took a line of, and how many of one that holds several where that is known."""
    item = line.line_item
    return item.description if line.count is None else counted(line.count, item.quantity, item.description)


def line_rows(form: RefundForm) -> list[dict[str, str]]:
    """What the chosen line items come to, where how many of one was chosen."""
    if all(line.count is None for line in form.chosen.values()):
        return []
    return [{"label": _("Line items"), "now": ", ".join(_in_words(form.order, line) for line in form.chosen.values())}]


def _in_words(order: Order, line: ChosenLine) -> str:
    what = line.description if line.count is None else counted(line.count, line.whole, line.description)
    return f"{what} {format_money(line.amount, order.currency)}"
