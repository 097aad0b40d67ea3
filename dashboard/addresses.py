"""Addresses that every page needs many of: looked up once, with the reference of an order put in as text."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from django.urls import get_script_prefix, reverse

REFERENCE = "REFERENCE"
SAFE = "/~:@!$&'()*+,;="
"""What ``reverse`` leaves as it is in a path."""


def order_address(name: str, reference: str) -> str:
    """The address of a page about one order: what ``reverse`` says."""
    return _pattern(name, get_script_prefix()).replace(REFERENCE, quote(reference, safe=SAFE))


def page_address(name: str) -> str:
    """The address of a page that is about nothing in particular: what ``reverse`` says."""
    return _plain(name, get_script_prefix())


@lru_cache(maxsize=64)
def _plain(name: str, _prefix: str) -> str:
    return reverse(name)


@lru_cache(maxsize=64)
def _pattern(name: str, _prefix: str) -> str:
    return reverse(name, args=[REFERENCE])
