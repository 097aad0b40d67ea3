"""What a member of staff chose for themselves."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Preference(models.Model):
    """How the desk behaves for one member of staff, wherever they sign in."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preference")
    single_keys = models.BooleanField(default=True)
    """Whether a key alone is a shortcut; speech input and some screen readers need it off."""

    language = models.CharField(max_length=10, blank=True, default="")
    """Code of the language chosen; empty follows the browser."""

    def __str__(self) -> str:
        """Whose."""
        return f"Preferences of {self.user}"
