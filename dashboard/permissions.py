"""What a member of staff may do, read once for a request: a right that was taken away is gone with the next one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import Q


class OneQuestionBackend(ModelBackend):
    """Reads the permissions of a user and of their groups together, where Django's own backend behind it asks twice."""

    def authenticate(self, *args: Any, **kwargs: Any) -> None:
        """Leave signing in to Django's own backend."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """All permissions of an active user; those of one object there are none."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            granted = Permission.objects.order_by()
            if not user_obj.is_superuser:
                granted = granted.filter(Q(user=user_obj.pk) | Q(group__user=user_obj.pk)).distinct()
            names = granted.values_list("content_type__app_label", "codename")
            user_obj._perm_cache = {f"{label}.{codename}" for label, codename in names}
        kept: set[str] = user_obj._perm_cache
        return kept
