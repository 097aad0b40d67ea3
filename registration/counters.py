"""Counts of things that leave no row behind."""

from __future__ import annotations

from django.core.cache import cache

REJECTED = "registration:webhooks:rejected"


def count(key: str) -> int:
    """Add one, and return the new count."""
    cache.add(key, 0, timeout=None)
    try:
        return cache.incr(key)
    except ValueError:  # Thrown out of the cache between the two lines.
        cache.set(key, 1, timeout=None)
        return 1


def read(key: str) -> int:
    """How often ``count`` was called since the cache was last emptied."""
    return int(cache.get(key, 0))
