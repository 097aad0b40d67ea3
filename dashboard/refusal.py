"""Why a preview shows no result: what is wrong with a form, or missing in it, and at which of its fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django import forms


@dataclass(frozen=True)
class Refusal:
    """What stands in the way of a result.

    Attributes:
        text: The sentence.
        control: Id of the control that mends it; none where sending the form is what helps.
        is_wrong: Whether something was entered that cannot be; else something is still missing.
        field: Name of the form's field that it is about.
    """

    text: str
    control: str = ""
    is_wrong: bool = True
    field: str = ""


def refusal_of(form: forms.BaseForm, controls: dict[str, str]) -> Refusal | None:
    """What to say about a form that was sent: what is wrong before what is missing, in the order of ``controls``.

    Args:
        form: Cleaned, or not bound yet.
        controls: Names of fields, and ``__all__`` for the whole form, with the id of the control to go to.
    """
    if not form.is_bound:
        return None
    found = [
        Refusal(str(form.errors[name][0]), control, is_entered(form, name), name)
        for name, control in controls.items()
        if name in form.errors
    ]
    return min(found, key=lambda each: not each.is_wrong, default=None)


def is_entered(form: forms.BaseForm, name: str) -> bool:
    """Whether there is anything in a field that could be wrong; what staff cannot fill in themselves always is."""
    field = form.fields.get(name)
    return field is None or field.widget.is_hidden or bool(form[name].value())


def said_below(form: forms.BaseForm, places: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What each place below a field says of what was entered there, nothing where it is right or empty.

    Args:
        form: Cleaned, or not bound yet.
        places: Name of a field, and id of the place below it.
    """
    return [(place, str(form.errors[name][0]) if _is_wrong(form, name) else "") for name, place in places]


def _is_wrong(form: forms.BaseForm, name: str) -> bool:
    return form.is_bound and name in form.errors and is_entered(form, name)
