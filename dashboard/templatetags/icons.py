"""Icons. An icon never changes, so each is drawn once; and what many rows share stands once in the page.

Stands in for the package's own tags (see ``TEMPLATES`` in the settings), which draw an icon anew each time it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django import template
from django.utils.safestring import SafeString
from heroicons.templatetags import heroicons

register = template.Library()

SHARED = (*("arrow-uturn-left", "check", "clock", "ellipsis-horizontal", "no-symbol", "question-mark-circle"),)
"""Whatever ``icon`` may name: a page with such rows holds all of these once."""


@register.simple_tag
def heroicon_micro(name: str, **attributes: Any) -> SafeString:
    """Draw a small icon into the page."""
    return _drawn(heroicons.heroicon_micro, str(name), tuple(sorted(attributes.items())))


@register.simple_tag
def heroicon_outline(name: str, **attributes: Any) -> SafeString:
    """Draw a large icon into the page."""
    return _drawn(heroicons.heroicon_outline, str(name), tuple(sorted(attributes.items())))


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
    return _sheet()


@lru_cache(maxsize=1)
def _sheet() -> SafeString:
    return SafeString(f'<svg class="visually-hidden" aria-hidden="true">{"".join(map(_symbol, SHARED))}</svg>')


def _symbol(name: str) -> str:
    paths = "".join(re.findall(r"<path [^>]*/>", heroicon_micro(name)))
    return f'<symbol id="i-{name}" viewBox="0 0 16 16" fill="currentColor">{paths}</symbol>'


@lru_cache(maxsize=512)
def _drawn(draw: Callable[..., str], name: str, attributes: tuple[tuple[str, Any], ...]) -> SafeString:
    return SafeString(draw(name, **dict(attributes)))
