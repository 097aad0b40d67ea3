"""Icons that many rows share: drawn once in the page, and named wherever they are shown."""

from __future__ import annotations

import re

from django import template
from django.utils.safestring import SafeString, mark_safe
from heroicons.templatetags.heroicons import heroicon_micro

register = template.Library()

SHARED = (
    *("arrow-top-right-on-square", "arrow-uturn-left", "check", "clock", "document-text", "ellipsis-horizontal"),
    *("no-symbol", "question-mark-circle", "wallet"),
)
"""Whatever ``icon`` may name: a page with such rows holds all of these once."""


@register.simple_tag
def icon(name: str) -> SafeString:
    """Show an icon of the page's sheet.

    Raises:
        KeyError: The sheet does not hold it.
    """
    if name not in SHARED:
        raise KeyError(name)
    return SafeString(f'<svg class="i" aria-hidden="true"><use href="#i-{name}"/></svg>')


@register.simple_tag
def icon_sheet() -> SafeString:
    """Draw every shared icon, unseen, for ``icon`` to show."""
    return SafeString(f'<svg class="visually-hidden" aria-hidden="true">{"".join(map(_symbol, SHARED))}</svg>')


def _symbol(name: str) -> str:
    paths = re.findall(r"<path [^>]*/>", heroicon_micro(name))
    return mark_safe(f'<symbol id="i-{name}" viewBox="0 0 16 16" fill="currentColor">{"".join(paths)}</symbol>')  # noqa: S308
