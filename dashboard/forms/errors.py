"""Where a form that was refused takes its reader: to the first field that is wrong."""

from __future__ import annotations

from typing import Any

from django.forms import BoundField, Widget
from django.forms.renderers import DjangoTemplates


class DeskField(BoundField):
    """A field as every page draws it."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: Widget | None = None) -> dict[str, Any]:
        """Give the focus to the first field that is wrong, with a script or without one."""
        attrs = super().build_widget_attrs(attrs, widget)
        return attrs | {"autofocus": True} if self._is_first_wrong else attrs

    @property
    def _is_first_wrong(self) -> bool:
        wrong = (name for name in self.form.fields if name in self.form.errors)
        return bool(self.form.is_bound and next(wrong, "") == self.name and not self.is_hidden)


class DeskForms(DjangoTemplates):
    """Draws forms with ``DeskField``."""

    bound_field_class = DeskField
