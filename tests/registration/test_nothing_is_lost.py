"""What the tables and the code themselves rule out: floats, deletions, editing money past the services."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models
from django.db.models import ProtectedError

from registration.models import Credit, Order
from tests.registration.books import make_card_order, make_conference

ROOT = Path(__file__).resolve().parents[2]
NOT_MONEY = {"ComparisonMark.run", "Difference.run", "Preference.user"}
"""What goes with its owner: a comparison's notes are worth nothing without it, nor a switch without its user."""
pytestmark = pytest.mark.django_db


@pytest.mark.trap(40)
def test_no_amount_is_a_float() -> None:
    floats = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "registration").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
    ]
    columns = [f for m in apps.get_app_config("registration").get_models() for f in m._meta.get_fields()]

    assert floats == []
    assert not [field for field in columns if isinstance(field, models.FloatField)]


@pytest.mark.trap(44)
def test_nothing_that_money_points_at_can_be_deleted() -> None:
    order = make_card_order(make_conference())
    Credit.objects.create(user=order.user, conference=order.conference, amount=Decimal(5))

    for row in (order.user, order.conference, order):
        with pytest.raises(ProtectedError):
            row.delete()
    assert Order.objects.filter(pk=order.pk).exists()


@pytest.mark.trap(44)
def test_every_link_between_money_rows_protects() -> None:
    loose = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config("registration").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and field.remote_field.on_delete is not models.PROTECT
    ]

    assert set(loose) == NOT_MONEY


@pytest.mark.trap(48)
def test_there_is_no_admin_site_to_edit_money_in() -> None:
    assert not apps.is_installed("django.contrib.admin")
