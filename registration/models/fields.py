"""Fields whose value the database or a parent decides, however a row is made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F

from registration.said import Said, Sentence, read, stored


def money_field(**options: Any) -> models.DecimalField[Any, Any]:
    """An amount in major units of the row's currency."""
    return models.DecimalField(max_digits=12, decimal_places=2, **options)


class KeptAmountField(models.DecimalField[Any, Any]):
    """A balance that the database's triggers keep.

    Saving a stale instance must not write an old balance back, so an update leaves the column as it is.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Set the shape shared by all amounts."""
        options |= {"max_digits": 12, "decimal_places": 2, "default": Decimal("0.00"), "editable": False}
        super().__init__(*args, **options)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Zero for a new row (the triggers follow at once), the stored value for an old one."""
        return Decimal("0.00") if add else F(self.attname)


class KeptCountField(models.PositiveIntegerField[Any, Any]):
    """A count that the database's triggers keep; an update leaves the column as it is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Start at nothing."""
        super().__init__(*args, **(options | {"default": 0, "editable": False}))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Zero for a new row, the stored value for an old one."""
        return 0 if add else F(self.attname)


class OpeningBalanceField(KeptAmountField):
    """A kept balance that a new row may open with; without one it opens with the row's ``amount``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Allow Python to leave the value out; the column itself is never null."""
        super().__init__(*args, **options)
        self.default = None

    def deconstruct(self) -> Any:
        """Leave out what ``__init__`` always sets."""
        name, path, args, options = super().deconstruct()
        options.pop("default", None)
        return name, path, args, options

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The opening balance for a new row, the stored value for an old one."""
        if not add:
            return super().pre_save(model_instance, add)
        if getattr(model_instance, self.attname) is None:
            setattr(model_instance, self.attname, getattr(model_instance, "amount"))  # noqa: B009
        return getattr(model_instance, self.attname)


class InheritedCurrencyField(models.CharField[Any, Any]):
    """ISO 4217 code taken from a related row when left empty, also by ``bulk_create``."""

    def __init__(self, *args: Any, source: str = "conference", **options: Any) -> None:
        """Remember which relation the currency comes from."""
        self.source = source
        options |= {"max_length": 3, "blank": True, "default": ""}
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        """Keep ``source`` in migrations."""
        name, path, args, options = super().deconstruct()
        return name, path, args, options | {"source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Take the parent's currency when none was given."""
        if not getattr(model_instance, self.attname):
            setattr(model_instance, self.attname, getattr(model_instance, self.source).currency)
        return getattr(model_instance, self.attname)


class SaidField(models.TextField[Any, Any]):
    """A sentence: one of the desk's own as a ``Said``, what a person typed as text."""

    # What may be assigned and what is found there, for the type checker.
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Sentence | None:
        """A sentence that is put into words when it is shown."""
        return value if value is None else read(value)

    def to_python(self, value: Any) -> Any:
        """Likewise for a fixture."""
        return read(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        """The code and the values of ours, the text of a person."""
        return stored(value) if isinstance(value, str | Said) else value

    def value_to_string(self, obj: models.Model) -> str:
        """What a fixture keeps."""
        return stored(self.value_from_object(obj))
