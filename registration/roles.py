"""The four roles, as Django groups with named permissions."""

from __future__ import annotations

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.translation import gettext, gettext_noop

LOOK = frozenset(("view_order", "view_refund", "view_credit"))
SETTLE = LOOK | {"refund_order", "apply_credit"}
ALL_MONEY = SETTLE | {"refund_goodwill", "refund_without_limit", "export_orders", "issue_credit", "adjust_credit"}
APPROVE = frozenset(("approve_refund",))
REPORTS = frozenset(("view_overview",))
STRIPE = frozenset(("view_stripeevent", "change_stripeevent"))
BOOKS = frozenset(("view_comparisonrun", "change_comparisonrun", "view_books"))
SETTINGS = LOOK | STRIPE | {"view_conference", "change_conference"}

ROLES: dict[str, frozenset[str]] = {
    gettext_noop("Support"): SETTLE,
    gettext_noop("Finance"): ALL_MONEY | APPROVE | REPORTS | STRIPE | BOOKS,
    gettext_noop("Viewer"): LOOK,
    gettext_noop("Administrator"): SETTINGS,
}
"""Group name to codenames of ``registration``. An administrator does not automatically touch money."""


def role_in_words(name: str) -> str:
    """The name of a role in the reader's language; a group that somebody made is called as they called it."""
    return gettext(name) if name in ROLES else name


def ensure_roles(using: str = DEFAULT_DB_ALIAS) -> dict[str, Group]:
    """Make the groups that are missing and give each what its role needs; running it again changes nothing.

    Permissions that somebody added to a group by hand are left alone.

    Args:
        using: The database to write to.

    Returns:
        The groups by name.
    """
    create_permissions(installed.get_app_config("registration"), verbosity=0, using=using)
    known = Permission.objects.using(using).filter(content_type__app_label="registration")
    groups = {}
    for name, codenames in ROLES.items():
        groups[name], _created = Group.objects.using(using).get_or_create(name=name)
        groups[name].permissions.add(*known.filter(codename__in=codenames))
    return groups


def after_migrate(using: str, **kwargs: Any) -> None:
    """Keep the groups in step with the permissions of this version."""
    tables = connections[using].introspection.table_names()
    if {"auth_group", "registration_order"} <= set(tables):
        ensure_roles(using)
