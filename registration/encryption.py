"""Secrets at rest: a text field that the database only ever sees encrypted."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


@lru_cache(maxsize=4)
def _fernet(secrets: tuple[str, ...]) -> MultiFernet:
    keys = [base64.urlsafe_b64encode(hashlib.sha256(b"refund-desk:fields:" + s.encode()).digest()) for s in secrets]
    return MultiFernet([Fernet(key) for key in keys])


def _cipher() -> MultiFernet:
    return _fernet((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


class EncryptedTextField(models.TextField[str, str]):
    """Text encrypted with a key derived from ``SECRET_KEY``; ``SECRET_KEY_FALLBACKS`` still decrypt."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in; empty stays empty."""
        return _cipher().encrypt(value.encode()).decode() if value else ""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str:
        """Decrypt on the way out.

        Raises:
            ImproperlyConfigured: Neither ``SECRET_KEY`` nor a fallback decrypts the stored value.
        """
        if not value:
            return ""
        try:
            return _cipher().decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                f"{self.model.__name__}.{self.name} cannot be decrypted; does SECRET_KEY_FALLBACKS lack the old key?"
            ) from error
