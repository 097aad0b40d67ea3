"""The forms that settle an open item. They check shape; the services check rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from registration.attention import amount_of
from registration.models import OpenItem, Refund
from registration.money import ZERO, format_money
from registration.services.match_preview import MatchPreview
from registration.services.repeats import Repeat, repeats_of
from registration.services.surplus import left_for

RELOAD = _("This page shows it as it was. Reload it and look again.")


class Seen(forms.Field):
    """What its reader saw, sent along unseen; shown again it is what is so now, and the next press is about that."""

    widget = forms.HiddenInput

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What is shown is never what was sent."""
        return initial


class SeenText(Seen, forms.CharField):
    """Words that were seen."""


class SeenAmount(Seen, forms.DecimalField):
    """An amount that was seen."""


class ItemForm(forms.Form):
    """One thing to do about one item; each item's fields have their own ids, for a page shows many."""

    action = ""
    label: Any = ""
    """What opens it."""
    button: Any = ""
    busy: Any = _("Saving")
    explains: Any = ""
    """What will happen, where the fields do not say it."""
    is_main = False
    """Whether it comes first of all that may be done about the item."""
    permission = ""
    """What it needs beside the permission to settle."""

    def __init__(self, *args: Any, item: OpenItem, **options: Any) -> None:
        """Name the fields after the item."""
        options["auto_id"] = f"id_item_{item.pk}_{self.action}_%s"
        super().__init__(*args, **options)
        self.item = item

    @property
    def form_wide_errors(self) -> list[str]:
        """What is wrong beside the fields one sees: with all of it, or with what was sent along unseen."""
        unseen = [error for field in self.hidden_fields() for error in field.errors]
        return [*map(str, self.non_field_errors()), *map(str, unseen)]

    def refuse(self, sentence: str) -> None:
        """Show why it was refused at the first field one sees, or above them all."""
        fields = self.visible_fields()
        self.add_error(fields[0].name if fields else None, sentence)


class AcknowledgeForm(ItemForm):
    """What was done about it, in words."""

    action = "acknowledge"
    label = _("Settle with a note…")
    button = _("Settle")
    note = forms.CharField(
        max_length=300,
        label=_("What was done about it"),
        error_messages={"required": _("Say what was done about it; the next colleague will read it.")},
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class MatchForm(ItemForm):
    """The order it belongs to: first it is shown what matching would do, then it is confirmed."""

    action = "match"
    label = _("Match to an order…")
    button: Any = _("Show what happens")
    busy = _("Asking Stripe")
    confirmed = SeenText(required=False)
    """The reference whose order was shown; another one is shown first."""
    seen = SeenText(required=False)
    """How that order stood."""
    preview: MatchPreview | None = None
    reference = forms.CharField(
        max_length=100,
        label=_("Reference of the order it belongs to"),
        error_messages={"required": _("Enter the reference of the order.")},
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def show(self, preview: MatchPreview) -> None:
        """Let the next press confirm what is shown now."""
        self.preview = preview
        self.button = _("Match to %(order)s") % {"order": preview.before.reference}
        self.initial.update(confirmed=preview.before.reference, seen=preview.seen)


class TransferForm(ItemForm):
    """The transfer that was made instead of a refund to the card."""

    action = "transfer"
    label = _("Paid by hand instead…")
    button = _("Record the transfer")
    explains = _("Make the transfer first. Then record the reference that finds it again at the bank.")
    reference = forms.CharField(
        max_length=100,
        label=_("Reference of the transfer"),
        error_messages={"required": _("Enter the reference of the transfer.")},
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, item: OpenItem, repeats: Sequence[Repeat] | None = None, **options: Any) -> None:
        """Ask whether it is wanted a second time, where it may have been repeated at Stripe."""
        super().__init__(*args, item=item, **options)
        if repeats_of(item) if repeats is None else repeats:
            self.fields["again"] = forms.BooleanField(
                label=_("This is not the repeat: I want to pay %(amount)s again") % {"amount": amount_of(item)},
                error_messages={
                    "required": _("Look first whether it was repeated at Stripe, then tick that it was not.")
                },
            )


class RepeatForm(ItemForm):
    """Which refund made at Stripe is the repeat of which that failed."""

    action = "repeat"
    is_main = True
    button = _("Settle both")
    explains = _(
        "Only if somebody made it at Stripe because the first one failed: both items are then settled, and no money"
        " moves."
    )
    pair = forms.CharField(
        max_length=50, label=_("Which one"), error_messages={"required": RELOAD, "max_length": RELOAD}
    )

    def __init__(self, *args: Any, item: OpenItem, repeats: Sequence[Repeat] | None = None, **options: Any) -> None:
        """Offer what fits the item; asked for here unless the page asked for all of its items at once."""
        super().__init__(*args, item=item, **options)
        self.repeats = {_key_of(each): each for each in (repeats_of(item) if repeats is None else repeats)}
        self.label = self._what_opens_it()
        field = self.fields["pair"]
        field.widget = forms.Select(choices=[(key, self._in_words(each)) for key, each in self.repeats.items()])
        if len(self.repeats) == 1:
            field.widget, field.initial = forms.HiddenInput(), next(iter(self.repeats))

    def _what_opens_it(self) -> Any:
        """With the other refund's number where there is only one."""
        numbers = [self._other(each).number for each in self.repeats.values()]
        is_failure, is_one = self.item.kind == OpenItem.Kind.FAILED, len(numbers) == 1
        if is_one:
            text = _("%(number)s is the repeat of this…") if is_failure else _("This is the repeat of %(number)s…")
            return text % {"number": numbers[0]}
        return _("It was made again at Stripe…") if is_failure else _("This is the repeat of a failed refund…")

    def _other(self, repeat: Repeat) -> Refund:
        is_failure = self.item.pk == repeat.failure.pk
        return repeat.part.refund if is_failure or repeat.failure.refund is None else repeat.failure.refund

    def _in_words(self, repeat: Repeat) -> str:
        other = self._other(repeat)
        return f"{other.number}, {format_money(other.amount, other.currency)}"

    @property
    def chosen(self) -> Repeat | None:
        """What was chosen, on a valid form; ``None`` when it fits no more."""
        return self.repeats.get(self.cleaned_data["pair"])


def _key_of(repeat: Repeat) -> str:
    return f"{repeat.failure.pk}-{repeat.part.refund_id}"


class TakeBackForm(ItemForm):
    """The credit that was given for money that went to the card as well."""

    action = "take_back"
    label = _("Take the credit back…")
    button = _("Take the credit back")
    busy = _("Asking Stripe")
    explains = _(
        "As much credit as went to the card is taken back from the attendee, and the refund comes into the books."
    )
    permission = "registration.adjust_credit"


class SendBackForm(ItemForm):
    """Money that arrived after the end."""

    action = "send_back"
    label = _("Send it back…")
    busy = _("Sending to Stripe")
    explains = _("All that is left of this payment is refunded to the card it came from.")
    amount = SeenAmount(max_digits=12, decimal_places=2, error_messages={"required": RELOAD, "invalid": RELOAD})
    """What the button says; when that is not what is left by then, nothing is sent."""

    def __init__(self, *args: Any, item: OpenItem, **options: Any) -> None:
        """Say on the button what goes back."""
        left = left_for(item, item.order) if item.order is not None else ZERO
        super().__init__(*args, item=item, initial={"amount": left}, **options)
        self.button = _("Send %(amount)s back") % {"amount": format_money(left, item.conference.currency)}
