"""The head of the orders table as HTML: put together from text like its rows, for it is drawn with every list."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from django.http import QueryDict
from django.utils.safestring import SafeString

from dashboard.templatetags.icons import heroicon_micro

PLACES = ("sort", "after", "before", "page")
"""What another sort does not keep: a place in the old one means nothing in the new."""


def head_of(columns: Iterable[Any], asked: QueryDict, target: str) -> SafeString:
    """The cells of the head, each a link that sorts by its column.

    Args:
        columns: As the table knows them: what they are called, and which one it is sorted by.
        asked: What the list was asked for; other sorts keep all of it but their place.
        target: The element that htmx fills; without one the links are plain.
    """
    kept = asked.copy()
    for name in PLACES:
        kept.pop(name, None)
    fetched = f' hx-target="{target}" hx-indicator="{target}" hx-swap="outerHTML" hx-push-url="true"' if target else ""
    before = escape(f"?{kept.urlencode()}&" if kept else "?")
    return SafeString("\n".join(_cell(column, before, fetched) for column in columns))


def _cell(column: Any, before: str, fetched: str) -> str:
    said, css = escape(str(column.header)), column.column.attrs["th"]["class"]
    if not column.orderable:
        # Headings without a sort are HTML of our own.
        return f'<th role="columnheader" scope="col" class="{css}">{column.header}</th>'
    alias, is_ordered = column.order_by_alias, column.is_ordered
    falls = is_ordered and alias.is_descending
    sort = f' aria-sort="{"descending" if falls else "ascending"}"' if is_ordered else ""
    mark = heroicon_micro(f"chevron-{'down' if falls else 'up'}", **ICON) if is_ordered else ""
    url = f"{before}sort={alias.next}"
    got = f' hx-get="{url}"{fetched}' if fetched else ""
    return (
        f'<th role="columnheader" scope="col" class="{css}"{sort}>'
        f'<a id="sort-{column.name}" href="{url}"{got}>{said}{mark}</a></th>'
    )


ICON = {"class": "i", "aria_hidden": "true"}
