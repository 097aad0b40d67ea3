"""What a member of staff may do, read once for a request: a right that was taken away is gone with the next one."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Q

NAMES = Permission.objects.order_by().values_list("content_type__app_label", "codename")


class OneQuestionBackend(ModelBackend):
    """Reads the permissions of a user and of their groups together, where Django's own backend behind it asks twice."""

    def authenticate(self, *args: Any, **kwargs: Any) -> None:
        """Leave signing in to Django's own backend."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """All permissions of an active user; those of one object there are none."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            names = NAMES.all() if user_obj.is_superuser else _granted_to(user_obj.pk)
            user_obj._perm_cache = {f"{label}.{codename}" for label, codename in names}
        kept: set[str] = user_obj._perm_cache
        return kept


def _granted_to(user_id: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(_statement(), [user_id, user_id])
        names: list[Any] = cursor.fetchall()
    return names


@lru_cache(maxsize=1)
def _statement() -> str:
    """What the ORM would write anew for each request, and it takes longer to write than to answer."""
    granted = NAMES.filter(Q(user=0) | Q(group__user=0)).distinct()
    sql, _users = granted.query.sql_with_params()
    return sql
