from collections.abc import Callable

import pytest
from django.db import connection

from dashboard import export
from registration.models import Order

pytestmark = pytest.mark.django_db

NewOrder = Callable[..., Order]


def open_cursors() -> int:
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_cursors WHERE name LIKE '_django_curs%'")
        return int(cursor.fetchone()[0])


@pytest.fixture
def three_orders(new_order: NewOrder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three, of which two fit into one piece of the file."""
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    return [new_order(reference=f"ORD-{number}").reference for number in range(3)]


def test_a_file_comes_in_pieces_of_some_rows(three_orders: list[str]) -> None:
    heading, *pieces = export.csv_of(Order.objects.order_by("pk"))

    assert heading.startswith("\N{BYTE ORDER MARK}reference,status,")
    assert [piece.count("\r\n") for piece in pieces] == [2, 1]
    assert [line.split(",")[0] for line in "".join(pieces).splitlines()] == three_orders


def test_whoever_stops_reading_ends_the_query(three_orders: list[str]) -> None:
    before = connection.savepoint_ids[:]
    lines = export.csv_of(Order.objects.order_by("pk"))
    next(lines), next(lines)
    assert open_cursors() == (1 if connection.vendor == "postgresql" else 0)

    lines.close()

    assert open_cursors() == 0
    assert connection.savepoint_ids == before


def test_a_name_that_looks_like_a_formula_stays_text(new_order: NewOrder) -> None:
    new_order(billing_name="=1+1", billing_company="-cmd", billing_email="")

    line = list(export.csv_of(Order.objects.all()))[1]

    assert "'=1+1,,'-cmd," in line
