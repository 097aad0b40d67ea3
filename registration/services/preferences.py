"""Keeps what members of staff chose for themselves."""

from __future__ import annotations

from typing import Any

from registration.models import Preference


def keep_single_keys(user: Any, *, single_keys: bool) -> None:
    """Remember whether a key alone is a shortcut for this user."""
    Preference.objects.update_or_create(user=user, defaults={"single_keys": single_keys})


def uses_single_keys(user: Any) -> bool:
    """Whether a key alone is a shortcut for this user; it is until they say otherwise."""
    return not Preference.objects.filter(user=user, single_keys=False).exists()


def keep_language(user: Any, language: str) -> None:
    """Remember a language for wherever the user signs in; empty follows the browser again."""
    Preference.objects.update_or_create(user=user, defaults={"language": language})


def language_of(user: Any) -> str:
    """The language the user chose, or nothing."""
    return Preference.objects.filter(user=user).values_list("language", flat=True).first() or ""
