"""Who somebody is, what they may do and which conferences they see, read once for a request.

A right that was taken away is gone with the next request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import OuterRef, Q, Subquery

from registration.json_rows import JSONRows, model_of, rows_of
from registration.models import Conference

UNSHOWN = ("stripe_publishable_key", "stripe_webhook_secret", "old_webhook_secret")
"""No list and no frame needs these keys of a conference."""
SHOWN = tuple(field.name for field in Conference._meta.concrete_fields if field.name not in UNSHOWN)
NAMES = Permission.objects.order_by().values_list("content_type__app_label", "codename")


class OneQuestionBackend(ModelBackend):
    """Signs in as Django's own backend does, and asks once for the user, their own rights and those of their groups."""

    def get_user(self, user_id: int) -> Any:
        """The user of a session with all that ``requires`` and ``conferences_of`` ask about; None when shut out."""
        found: Any = next(iter(get_user_model()._default_manager.raw(_statement(connection.vendor), [user_id])), None)
        return found if found is not None and self.user_can_authenticate(found) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """All permissions of an active user; those of one object there are none."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            user_obj._perm_cache = {f"{label}.{codename}" for label, codename in _names(user_obj)}
        kept: set[str] = user_obj._perm_cache
        return kept


def _names(user: Any) -> Any:
    if user.is_superuser:
        return NAMES
    return rows_of(user.granted) if hasattr(user, "granted") else _granted_to(user.pk)


def conferences_seen_by(user: Any) -> list[Conference]:
    """The conferences a user is a member of; each carries the user's ``role``."""
    known = _known(user)
    found = [model_of(Conference, SHOWN, row) for row in rows_of(known.visible)]
    for conference in found:
        conference.role = known.role  # type: ignore[attr-defined]
    return found


def conference_seen_by(user: Any, slug: str) -> Conference | None:
    """One of them by its slug, without its key: decrypting that would cost a live check more than all it asks."""
    place, key = SHOWN.index("slug"), SHOWN.index("stripe_secret_key")
    names = (*SHOWN[:key], *SHOWN[key + 1 :])
    rows = ([*row[:key], *row[key + 1 :]] for row in rows_of(_known(user).visible) if row[place] == slug)
    return next((model_of(Conference, names, row) for row in rows), None)


def _known(user: Any) -> Any:
    """The user as a session brings them; one who has just signed in was read by name."""
    return user if hasattr(user, "visible") else OneQuestionBackend().get_user(user.pk)


def _granted_to(user: Any) -> Any:
    of_groups = Group.permissions.through.objects.filter(group__user=user).values("permission")
    of_user = get_user_model().user_permissions.through.objects.filter(user=user).values("permission")
    return NAMES.filter(Q(pk__in=of_user) | Q(pk__in=of_groups))


@lru_cache(maxsize=2)
def _statement(_vendor: str) -> str:
    """What the ORM would write anew for each request, and it takes longer to write than to answer."""
    visible = Conference.objects.filter(memberships__user=OuterRef("pk"))
    users = get_user_model()._default_manager.annotate(
        granted=JSONRows(_granted_to(OuterRef(OuterRef("pk"))), "content_type__app_label", "codename"),
        visible=JSONRows(visible, *SHOWN),
        role=Subquery(Group.objects.filter(user=OuterRef("pk")).order_by("pk").values("name")[:1]),
    )
    sql, _values = users.filter(pk=0).query.sql_with_params()
    return sql
