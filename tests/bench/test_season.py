from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from registration.models import Credit, HistoryEntry, Order, Payment, Refund, RefundPart
from registration.services.verification.rows import unusual
from registration.services.verification.run import Ledger
from tests.registration.books import make_conference, make_user
from tools.bench.books import Books
from tools.bench.moves import Share, pay, refund
from tools.bench.season import LONG_REFERENCE, build

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FOUND_BY = ("id", "search_text")
BALANCES = ("id", "refunded_amount", "reserved_amount", "refundable_amount")


def balances() -> list[Any]:
    return [
        list(Order.objects.order_by("pk").values_list(*BALANCES, "paid_amount")),
        list(Payment.objects.order_by("pk").values_list(*BALANCES)),
    ]


def test_the_books_of_a_season_add_up() -> None:
    season = build(1_500, now=NOW, long=40)

    assert [str(finding) for finding in Ledger().findings()] == []
    assert Order.objects.filter(conference=season.conference).count() >= 1_500
    assert HistoryEntry.objects.filter(order__reference=LONG_REFERENCE).count() > 40


def test_its_balances_are_those_that_the_database_would_have_kept() -> None:
    build(1_500, now=NOW, long=40)
    before = balances()

    with connection.cursor() as cursor:
        cursor.execute("UPDATE registration_payment SET status = status")

    assert balances() == before


def test_its_orders_are_found_by_the_words_that_the_database_would_have_kept() -> None:
    build(1_500, now=NOW, long=40)
    before = list(Order.objects.order_by("pk").values_list(*FOUND_BY))

    with connection.cursor() as cursor:
        cursor.execute("UPDATE registration_order SET search_text = ''")

    assert list(Order.objects.order_by("pk").values_list(*FOUND_BY)) == before


def test_everything_happens_in_it() -> None:
    build(1_500, now=NOW, long=40)

    assert set(Order.objects.values_list("status", flat=True)) == set(Order.Status.values)
    assert set(Payment.objects.values_list("method", flat=True)) == set(Payment.Method.values)
    assert {Refund.State.SUCCEEDED, Refund.State.FAILED, Refund.State.PENDING} <= set(
        Refund.objects.values_list("state", flat=True)
    )
    assert {Credit.Status.AVAILABLE, Credit.Status.APPLIED, Credit.Status.PAID_OUT, Credit.Status.EXPIRED} <= set(
        Credit.objects.values_list("status", flat=True)
    )


def test_a_transfer_that_waits_has_its_note_as_at_the_desk() -> None:
    books = Books(make_conference(), [make_user("sam").pk], seed=1)
    sale = books.sale(books.meet(0), 0, 5_000)
    tender = pay(books, sale, Payment.Method.MANUAL, 5_000)

    (note,) = refund(books, sale, [Share(tender, 2_000, RefundPart.State.AWAITING_TRANSFER, RefundPart.Channel.MANUAL)])

    assert (note.amount, note.status) == (2_000, Credit.Status.PAID_OUT)
    assert refund(books, sale, [Share(tender, 1_000, RefundPart.State.AWAITING_APPROVAL)]) == []


def test_the_ledger_check_looks_closer_only_where_it_must() -> None:
    build(1_500, now=NOW, long=40)

    assert len(unusual(0, 2**62)) < 15


def test_triggers_are_back_at_work_afterwards() -> None:
    build(50, now=NOW, long=4)
    order = Order.objects.filter(status=Order.Status.PENDING)[0]

    Payment.objects.create(order=order, status=Payment.Status.SUCCEEDED, amount=order.total)

    order.refresh_from_db()
    assert order.paid_amount == order.total
