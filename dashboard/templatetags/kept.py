"""Pieces of a page that are the same for everybody: drawn once for each language, then kept.

Never around anything that belongs to one person or one request: a token, a name, an amount.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template.base import FilterExpression, Node, NodeList, Parser, Token
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()

MOST_KEPT = 100
"""A piece has few variants; should one turn out to have many, it is drawn anew rather than fill the memory."""


class KeptNode(Node):
    """Draws what it holds at the first time of asking."""

    def __init__(self, nodelist: NodeList, varies: list[FilterExpression]) -> None:
        self.nodelist = nodelist
        self._varies = varies
        self._drawn: dict[tuple[Any, ...], SafeString] = {}

    def render(self, context: template.Context) -> SafeString:
        """Hand out the piece in the reader's language."""
        key = (get_language(), *(str(value.resolve(context)) for value in self._varies))
        if key not in self._drawn:
            if len(self._drawn) >= MOST_KEPT:
                self._drawn.clear()
            self._drawn[key] = self.nodelist.render(context)
        return self._drawn[key]


@register.tag
def kept(parser: Parser, token: Token) -> KeptNode:
    """``{% kept item.icon %}…{% endkept %}``: keep what is drawn inside; it varies by language and by what is named."""
    varies = [parser.compile_filter(word) for word in token.split_contents()[1:]]
    nodelist = parser.parse(("endkept",))
    parser.delete_first_token()
    return KeptNode(nodelist, varies)
