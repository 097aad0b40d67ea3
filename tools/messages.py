"""Keep the German catalogue: gather every text for people, say what lacks a translation, and compile.

``make messages`` runs it. Babel reads and writes the files, so no gettext tools are needed; the compiled catalogue is
kept beside its source, so that running the desk needs not even Babel.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import django
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "locale" / "de" / "LC_MESSAGES"
SOURCE, COMPILED = FOLDER / "django.po", FOLDER / "django.mo"
PLACES = (("dashboard", "*.py"), ("registration", "*.py"), ("templates", "*.html"))
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    **{f"{name}_lazy": DEFAULT_KEYWORDS[name] for name in ("gettext", "ngettext", "pgettext", "npgettext")},
    "gettext_noop": None,
}


def main() -> None:
    """Bring the catalogue up to date; ends with status 1 while a text has no German."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    os.environ.setdefault("DEBUG", "1")
    django.setup()
    catalog = updated(catalogued(), gathered())
    SOURCE.write_bytes(written(catalog))
    COMPILED.write_bytes(compiled(catalog))
    for finding in lacking(catalog):
        print(finding)
    sys.exit(1 if lacking(catalog) else 0)


def catalogued() -> Catalog:
    """The catalogue as it is kept."""
    with SOURCE.open("rb") as file:
        return read_po(file, locale="de")


def gathered() -> Catalog:
    """Every text for people that the code and the templates hold now."""
    catalog = Catalog()
    for path in _files():
        place = path.relative_to(ROOT).as_posix()
        for _line, message, comments, context in extract("python", _source(path), KEYWORDS, ["Translators:"]):
            catalog.add(message, locations=[(place, None)], auto_comments=comments, context=context)
    return catalog


def updated(catalog: Catalog, texts: Catalog) -> Catalog:
    """Add what is new and drop what is gone; nothing is guessed from what looks alike."""
    texts.creation_date = catalog.creation_date
    catalog.update(texts, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def lacking(catalog: Catalog) -> list[str]:
    """What stands between the catalogue and a complete one, a line for each text."""
    findings = []
    for message in catalog:
        if message.id and not _is_translated(message):
            findings.append(f"without German: {message.id!r}")
        elif message.id:
            findings.extend(f"{error}: {message.id!r}" for error in message.check(catalog))
            findings.extend([f"uncertain: {message.id!r}"] * message.fuzzy)
    return findings


def written(catalog: Catalog) -> bytes:
    """The catalogue as a file to read."""
    file = io.BytesIO()
    write_po(file, catalog, width=120, sort_by_file=True, ignore_obsolete=True, include_lineno=False)
    return file.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """The catalogue as Django reads it."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def _is_translated(message: Message) -> bool:
    return all(message.string) if isinstance(message.string, tuple | list) else bool(message.string)


def _files() -> Iterator[Path]:
    for folder, pattern in PLACES:
        yield from sorted((ROOT / folder).rglob(pattern))


def _source(path: Path) -> io.BytesIO:
    if path.suffix == ".py":
        return io.BytesIO(path.read_bytes())
    from django.utils.translation.template import templatize

    # Within parentheses Python does not mind how lines are indented.
    return io.BytesIO(f"({templatize(path.read_text(encoding='utf-8'))})".encode())


if __name__ == "__main__":
    main()
