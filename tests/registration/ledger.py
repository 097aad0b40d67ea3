"""What ``verify_ledger`` says about books that somebody changed past every service."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from registration import triggers
from registration.models import Conference, Order
from registration.services.history import record
from tests.registration.books import make_card_order, make_refund


def refunded_order(conference: Conference) -> Order:
    """Paid 100.00 by card, 40.00 of it refunded."""
    order = make_card_order(conference)
    make_refund(order, "40.00", "succeeded")
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PARTIALLY_REFUNDED)
    for kind in ("refund_requested", "refund_succeeded"):
        record(order, kind, facts={"amount": "40.00"})
    return order


def verify(**options: Any) -> str:
    """What the command prints about a ledger that is right."""
    out = StringIO()
    call_command("verify_ledger", stdout=out, **options)
    return out.getvalue()


def findings(**options: Any) -> list[str]:
    """What the command prints about a ledger that is not."""
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("verify_ledger", stdout=out, **options)
    assert caught.value.returncode == 1
    return out.getvalue().splitlines()


@contextmanager
def guards_off() -> Iterator[None]:
    """As somebody who can drop triggers and switch foreign keys off; both are back afterwards."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
            yield
            cursor.execute("SET session_replication_role = DEFAULT")
        else:
            triggers.drop(connection)
            yield
            triggers.install(connection)


def by_hand(statement: str, *values: Any) -> None:
    with guards_off(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount == 1
