"""Reading a table piece by piece, by key."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Model

Keys = tuple[int, int]


def between(column: str, keys: Keys) -> dict[str, int]:
    """The lookups for rows whose ``column`` lies between two keys, both included."""
    return {f"{column}__gte": keys[0], f"{column}__lte": keys[1]}


def ranges(model: type[Model], chunk: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first key, last key, number of rows) of each chunk of a table."""
    low = 0
    while keys := list(model._default_manager.filter(pk__gt=low).order_by("pk").values_list("pk", flat=True)[:chunk]):
        yield low + 1, keys[-1], len(keys)
        low = keys[-1]
