"""Addresses that every page needs many of: looked up once, with a reference or a key put in as text."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from django.urls import get_script_prefix, reverse

REFERENCE = "REFERENCE"
NUMBER = "1234567890"
SAFE = "/~:@!$&'()*+,;="
"""What ``reverse`` leaves as it is in a path."""


def order_address(name: str, reference: str) -> str:
    """The address of a page about one order: what ``reverse`` says."""
    return _pattern(name, get_script_prefix()).replace(REFERENCE, quote(reference, safe=SAFE))


def key_address(name: str, key: int) -> str:
    """The address of a page about the row with a key: what ``reverse`` says."""
    return _numbered(name, get_script_prefix()).replace(NUMBER, str(key))


def page_address(name: str) -> str:
    """The address of a page that is about nothing in particular: what ``reverse`` says."""
    return _plain(name, get_script_prefix())


@lru_cache(maxsize=64)
def _plain(name: str, _prefix: str) -> str:
    return reverse(name)


@lru_cache(maxsize=64)
def _pattern(name: str, _prefix: str) -> str:
    return reverse(name, args=[REFERENCE])


@lru_cache(maxsize=64)
def _numbered(name: str, _prefix: str) -> str:
    return reverse(name, args=[int(NUMBER)])
