"""Search by word beginnings: how text is folded when stored and when asked for.

The database keeps the folded words of each order (``registration/triggers``): SQLite calls ``search_text_of`` for it,
PostgreSQL folds by the tables below. A test holds the two to the same results.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import models
from django.db.models import F

LETTERS_WITHOUT_DECOMPOSITION = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"}
)
SEPARATORS = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u2000-\u206f\u2e00-\u2e7f\u3000-\u303f"
    r"\u1680\ufe10-\ufe1f\ufe30-\ufe6f"
)
"""What parts words: the same characters for both databases, whatever each of them takes for a letter."""
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
BETWEEN_WORDS = re.compile(f"[{SEPARATORS}]+")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
WRITTEN_OUT = re.compile("(?<![aeiouq])([aou])e")
"""What may be an umlaut written with two letters: after another vowel, as in ``Bauer``, it is none."""
FEWEST_WRITTEN_OUT = 5
"""In a shorter word, as ``Joe``, the two letters are mostly what they seem."""
MAX_WORDS = 8
LONGEST_WORD = 200
INDEXED_LETTERS, INDEXED_SIGNS = 12, 6
"""PostgreSQL's index knows words by so many first letters, and by fewer where one of them is a digit; what follows is
compared in the orders it found."""


def fold(text: str) -> str:
    """Lower case without accents, so that ``Müller``, ``muller`` and ``MÜLLER`` are one."""
    if text.isascii():
        return text.lower()  # Most texts have nothing to take apart, and SQLite asks for those of every order.
    plain = NOT_ASCII.sub(_unmarked, unicodedata.normalize("NFKD", text))
    return plain.casefold().translate(LETTERS_WITHOUT_DECOMPOSITION)


def _unmarked(letters: re.Match[str]) -> str:
    return "".join(letter for letter in letters[0] if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """The folded words of a text; punctuation separates."""
    return [word[:LONGEST_WORD] for word in BETWEEN_WORDS.split(fold(text).replace("\0", " ")) if word]


def spellings(text: str) -> list[tuple[str, ...]]:
    """The words of a text as ``words`` has them, each with how else it may have been written.

    ``Müller`` may stand as ``Mueller``, and ``Mueller`` as ``Müller``, which is kept as ``muller``.
    """
    plain, written = words(text), words(unicodedata.normalize("NFC", text).translate(UMLAUTS))
    both = zip(plain, written if len(written) == len(plain) else plain, strict=True)
    return [tuple(dict.fromkeys((word, out, _drawn_together(word)))) for word, out in both]


def _drawn_together(word: str) -> str:
    return WRITTEN_OUT.sub(r"\1", word) if len(word) >= FEWEST_WRITTEN_OUT else word


def search_text_of(*texts: str | None) -> str:
    """The words that an order can be found by, each preceded by a space."""
    found = words(" ".join(text for text in texts if text))
    return " ".join(["", *dict.fromkeys(found)])


class SearchTextField(models.TextField[Any, Any]):
    """Folded words of other columns. The database keeps them; a new row brings those of its own columns along."""

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
        """Fold the sources of a new row; an old one is the database's business."""
        if not add:
            return F(self.attname)
        value = search_text_of(*(str(getattr(model_instance, source)) for source in self.sources))
        setattr(model_instance, self.attname, value)
        return value


@lru_cache(maxsize=1)
def folding_tables() -> dict[str, str]:
    """How PostgreSQL folds what ``NFKD`` leaves, as pieces of SQL: letters to others, letters to several, marks."""
    letters = [letter for letter in map(chr, _code_points()) if unicodedata.normalize("NFKD", letter) == letter]
    folded = {letter: fold(letter) for letter in letters if not unicodedata.combining(letter)}
    changed = {letter: to for letter, to in folded.items() if to != letter}
    single = {letter: to for letter, to in changed.items() if len(to) == 1}
    several = {letter: to for letter, to in changed.items() if len(to) > 1}
    replaced = "{value}"
    for letter, to in several.items():
        replaced = f"replace({replaced}, '{letter}', '{to}')"
    return {
        "separators": SEPARATORS,
        "longest_word": str(LONGEST_WORD),
        "indexed_letters": str(INDEXED_LETTERS),
        "indexed_signs": str(INDEXED_SIGNS),
        "marks": _ranges(point for point in _code_points() if unicodedata.combining(chr(point))),
        "from": "".join(single),
        "to": "".join(single.values()),
        "several_before": replaced.partition("{value}")[0],
        "several_behind": replaced.partition("{value}")[2],
    }


def _code_points() -> Iterable[int]:
    """All that may be letters outside ASCII, without the halves of surrogate pairs."""
    return (point for point in range(0x80, 0x1F000) if not 0xD800 <= point < 0xE000)


def _ranges(points: Iterable[int]) -> str:
    """Code points as a class of a regular expression."""
    spans: list[list[int]] = []
    for point in points:
        if spans and spans[-1][1] == point - 1:
            spans[-1][1] = point
        else:
            spans.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in spans)
