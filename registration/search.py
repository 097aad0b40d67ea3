"""Search by word beginnings: how text is folded when stored and when asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.db import models

LETTERS_WITHOUT_DECOMPOSITION = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"}
)
MAX_WORDS = 8


def fold(text: str) -> str:
    """Lower case without accents, so that ``Müller``, ``muller`` and ``MÜLLER`` are one."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).translate(LETTERS_WITHOUT_DECOMPOSITION)


def words(text: str) -> list[str]:
    """The folded words of a text; punctuation separates."""
    return re.findall(r"\w+", fold(text).replace("_", " "))


class SearchTextField(models.TextField[Any, Any]):
    """Folded words of other columns, each preceded by a space, kept by every save and ``bulk_create``."""

    def __init__(self, sources: Sequence[str] = (), **options: Any) -> None:
        """Name the columns whose words can be found."""
        self.sources = tuple(sources)
        options |= {"blank": True, "default": "", "editable": False}
        super().__init__(**options)

    def deconstruct(self) -> Any:
        """Keep the sources in migrations."""
        name, path, args, options = super().deconstruct()
        return name, path, args, options | {"sources": self.sources}

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Fold the sources anew."""
        text = " ".join(str(getattr(model_instance, source)) for source in self.sources)
        value = "".join(f" {word}" for word in dict.fromkeys(words(text)))
        setattr(model_instance, self.attname, value)
        return value
