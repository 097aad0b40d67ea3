"""Reads an answer the way the eye does: without line breaks and the gaps between tags."""

from typing import Any


def text_of(response: Any) -> str:
    """The body on one line."""
    return " ".join(response.content.decode().split()).replace("> <", "><")
