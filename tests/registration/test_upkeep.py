from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from registration.models import Conference
from registration.services import upkeep
from tests.cast import make_order, make_user

pytestmark = pytest.mark.django_db


def test_sqlite_is_told_every_few_hours_how_many_orders_a_conference_has(
    conference: Conference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_taken", {})
    for name in ("ada", "bob", "eve"):
        make_order(conference, make_user(name, name.title()))

    is_sqlite = connection.vendor == "sqlite"
    assert upkeep.take_statistics() is is_sqlite
    assert upkeep.take_statistics() is False
    if is_sqlite:
        with connection.cursor() as cursor:
            cursor.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'order_newest'")
            assert cursor.fetchone()[0].startswith("3 3 ")
        monkeypatch.setitem(upkeep._taken, connection.alias, timezone.now() - timedelta(hours=7))
        assert upkeep.take_statistics() is True
