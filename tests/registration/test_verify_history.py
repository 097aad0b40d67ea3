"""An order's history and the words it is found by, changed past every service, are named."""

from typing import Any

import pytest
from django.db import connection

from registration.models import Conference, HistoryEntry, Order
from registration.services.history import record
from tests.registration.books import make_conference, make_user
from tests.registration.ledger import by_hand, findings, guards_off, refunded_order, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.fixture
def order(conference: Conference) -> Order:
    """Paid 100.00 by card, 40.00 of it refunded."""
    return refunded_order(conference)


@pytest.mark.parametrize(
    ("column", "value"), [("facts", '{"amount": "4.00"}'), ("kind", "note_added"), ("position", 7), ("digest", "0")]
)
def test_edited_history_shows_on_its_order(column: str, value: Any, order: Order) -> None:
    entry = HistoryEntry.objects.filter(order=order).first()
    assert entry is not None
    by_hand(f"UPDATE registration_historyentry SET {column} = %s WHERE id = %s", value, entry.pk)

    assert any(line.startswith(f"order {order.reference}: entry ") for line in findings())


def test_deleted_history_shows_as_a_gap(order: Order) -> None:
    by_hand("DELETE FROM registration_historyentry WHERE order_id = %s AND position = 1", order.pk)

    assert findings() == [f"order {order.reference}: entry 1 is missing"]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_deleted_newest_history_shows_as_well(kept: int, order: Order) -> None:
    stale = Order.objects.get()
    record(stale, "note_added")
    stale.save()  # It writes no old length back.
    with guards_off(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM registration_historyentry WHERE position > %s", [kept])

    assert findings() == [f"order {order.reference}: entry {gone} is missing" for gone in range(kept + 1, 4)]


def test_a_newest_entry_that_was_replaced_shows(order: Order) -> None:
    by_hand("DELETE FROM registration_historyentry WHERE order_id = %s AND position = 2", order.pk)
    record(order, "note_added")

    assert findings() == [f"order {order.reference}: entry 3 is missing"]


@pytest.mark.parametrize(
    "facts",
    [
        {"note": "Zoë said: “yes”\n\\", "b": "x", "amount": "1.00"},
        {"reference": {"b": 1, "aa": [1, None, True]}, "by": "ñ"},
        {},
        {"credit": "given"},
    ],
)
def test_facts_of_every_spelling_are_confirmed(facts: dict[str, Any], order: Order) -> None:
    record(order, "note_added", facts=facts)
    record(order, "note_added", facts=facts, actor=make_user())

    assert "1 orders" in verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE registration_order SET billing_name = 'Grace Höpper' WHERE id = %s",
        "UPDATE registration_order SET search_text = ' ada' WHERE id = %s",
        "UPDATE registration_payment SET card_last4 = '9999' WHERE order_id = %s",
    ],
)
def test_an_order_that_a_search_would_not_find_is_named(statement: str, order: Order) -> None:
    by_hand(statement, order.pk)
    assert findings() == [f"order {order.reference}: is not found by the words it has now; save it once more"]

    order.refresh_from_db()
    order.save()
    assert "1 orders" in verify()


def test_words_beside_an_order_are_compared_where_they_are_kept_apart(order: Order) -> None:
    if connection.vendor == "postgresql":
        assert "1 orders" in verify()
        return
    by_hand("UPDATE registration_ordersearch SET words = 'old' WHERE rowid = %s", order.pk)
    assert findings() == [f"order {order.reference}: is not found by the words it has now; save it once more"]
