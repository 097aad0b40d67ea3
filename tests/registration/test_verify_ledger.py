import json
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from registration.models import Conference, Credit, CreditEntry, OpenItem, Order, Payment, RefundPart
from registration.services.history import record
from registration.services.refund import RefundService
from registration.services.verification.run import Ledger
from tests.registration.books import make_card_order, make_conference, make_order, make_refund, make_user
from tests.registration.ledger import by_hand, findings, guards_off, refunded_order, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference()


@pytest.fixture
def order(conference: Conference) -> Order:
    """Paid 100.00 by card, 40.00 of it refunded."""
    return refunded_order(conference)


@pytest.fixture
def credit(conference: Conference) -> Credit:
    """50.00, of which 30.00 paid an order."""
    target = make_order(conference, "30.00", Order.Status.PAID)
    credit = Credit.objects.create(user=make_user(), conference=conference, amount=Decimal("50.00"))
    payment = Payment.objects.create(
        order=target,
        method=Payment.Method.CREDIT,
        status=Payment.Status.SUCCEEDED,
        amount=Decimal("30.00"),
        credit=credit,
    )
    CreditEntry.objects.create(
        credit=credit, kind=CreditEntry.Kind.APPLIED, amount=Decimal("-30.00"), order=target, payment=payment
    )
    return credit


def test_books_that_agree_are_said_to(order: Order, credit: Credit) -> None:
    assert verify() == "2 orders and 2 credits agree with their rows.\n"


def test_an_order_paid_in_part_by_credit_waits_rightly(conference: Conference, credit: Credit) -> None:
    RefundService.apply_credit_as_refund(credit, make_order(conference, "80.00"))

    assert "2 orders and 1 credits agree" in verify()


def test_a_payment_that_went_back_whole_and_does_not_say_so_is_named(conference: Conference) -> None:
    order = make_card_order(conference)
    make_refund(order, "100.00", "succeeded")
    Order.objects.filter(pk=order.pk).update(status=Order.Status.REFUNDED)

    assert [line for line in findings() if "payment" in line] == [
        f"payment {order.payments.get().pk} of order {order.reference}: is SUCCEEDED, but all of it went back"
    ]


@pytest.mark.parametrize("chunk", [1, 2])
def test_chunks_of_any_size_agree(chunk: int, order: Order, credit: Credit) -> None:
    assert "2 orders" in verify(chunk=chunk)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("paid_amount", "99.00"),
        ("refunded_amount", "41.00"),
        ("reserved_amount", "0.01"),
        ("refundable_amount", "60.01"),
        ("status", "PAID"),
        ("status", "PENDING"),
        ("status", "REFUNDED"),
        ("status", "CANCELLED"),
        ("total", "100.01"),
        ("currency", "EUR"),
    ],
)
def test_an_order_changed_by_hand_is_named(column: str, value: str, order: Order) -> None:
    by_hand(f"UPDATE registration_order SET {column} = %s WHERE id = %s", value, order.pk)

    assert any(line.startswith(f"order {order.reference}: ") for line in findings())


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        *(("order", column, "0.01") for column in ("paid_amount", "refunded_amount", "reserved_amount", "total")),
        ("order", "refundable_amount", "99.99"),
        ("order", "currency", "EUR"),
        *(("order", "status", status) for status in ("PENDING", "CANCELLED", "PARTIALLY_REFUNDED", "REFUNDED")),
        *(("payment", column, "0.01") for column in ("amount", "refunded_amount", "reserved_amount")),
        ("payment", "refundable_amount", "99.99"),
        ("payment", "currency", "EUR"),
        ("payment", "method", "CREDIT"),
        ("payment", "method", "COMP"),
        *(("payment", "status", status) for status in ("PENDING", "FAILED", "REFUNDED")),
    ],
)
def test_a_plain_order_changed_by_hand_is_named(table: str, column: str, value: str, conference: Conference) -> None:
    order = make_card_order(conference)
    assert "1 orders" in verify()

    by_hand(f"UPDATE registration_{table} SET {column} = %s", value)

    assert any(order.reference in line for line in findings())


@pytest.mark.parametrize(("column", "value"), [("status", "PAID"), ("paid_amount", "1.00"), ("currency", "EUR")])
def test_an_unpaid_order_changed_by_hand_is_named(column: str, value: str, conference: Conference) -> None:
    order = make_order(conference)
    assert "1 orders" in verify()

    by_hand(f"UPDATE registration_order SET {column} = %s", value)

    assert any(order.reference in line for line in findings())


def test_an_unpaid_order_cancelled_by_a_plain_save_is_nobodys_concern(conference: Conference) -> None:
    order = make_order(conference)
    order.status = Order.Status.CANCELLED
    order.save()

    assert "1 orders" in verify()


@pytest.mark.parametrize("by_credit", [True, False])
def test_an_order_cancelled_with_money_still_on_it_is_named(by_credit: bool, conference: Conference) -> None:
    order, amount = make_order(conference), Decimal("40.00")
    if by_credit:
        credit = Credit.objects.create(user=order.user, conference=conference, amount=amount)
        RefundService.apply_credit_as_refund(credit, order)
    else:
        Payment.objects.create(order=order, amount=amount, status=Payment.Status.SUCCEEDED)
    order.status = Order.Status.CANCELLED
    order.save()

    assert findings() == [f"order {order.reference}: is CANCELLED but keeps 40.00, and no item says why"]


@pytest.mark.parametrize("drop_guards", [True, False])
@pytest.mark.parametrize(
    ("column", "value"),
    [("amount", "120.00"), ("amount", "99.99"), ("status", "FAILED"), ("status", "REFUNDED"), ("currency", "EUR")],
)
def test_a_payment_changed_by_hand_is_named(column: str, value: str, drop_guards: bool, order: Order) -> None:
    statement = f"UPDATE registration_payment SET {column} = %s WHERE order_id = %s"
    if drop_guards:
        by_hand(statement, value, order.pk)
    elif value in ("FAILED", "EUR"):
        # The database itself refuses to take back what was partly refunded, and to change what it is counted in.
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [value, order.pk])
        return
    else:
        with connection.cursor() as cursor:
            cursor.execute(statement, [value, order.pk])

    assert any(order.reference in line for line in findings())


@pytest.mark.parametrize(("column", "value"), [("state", "failed"), ("state", "requested"), ("amount", "39.00")])
def test_a_part_changed_by_hand_shows_on_its_refund(column: str, value: str, order: Order) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE registration_refundpart SET {column} = %s", [value])

    number = RefundPart.objects.get().refund.number
    assert any(line.startswith(f"refund {number} of order {order.reference}: ") for line in findings())


@pytest.mark.parametrize(("column", "value"), [("state", "pending"), ("amount", "41.00"), ("currency", "EUR")])
def test_a_refund_changed_by_hand_is_named(column: str, value: str, order: Order) -> None:
    by_hand(f"UPDATE registration_refund SET {column} = %s WHERE order_id = %s", value, order.pk)

    number = order.refunds.get().number
    assert any(line.startswith(f"refund {number} of order {order.reference}: ") for line in findings())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("remaining_amount", "20.01"),
        ("remaining_amount", "50.00"),
        ("status", "APPLIED"),
        ("status", "VOIDED"),
        ("amount", "60.00"),
        ("currency", "EUR"),
    ],
)
def test_a_credit_changed_by_hand_is_named(column: str, value: str, credit: Credit) -> None:
    by_hand(f"UPDATE registration_credit SET {column} = %s WHERE id = %s", value, credit.pk)

    assert any(line.startswith(f"credit {credit.number}: ") for line in findings())


def test_a_deleted_payment_shows_on_its_order(order: Order, credit: Credit) -> None:
    target = Order.objects.get(total=Decimal("30.00"))
    with guards_off(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM registration_creditentry WHERE payment_id IS NOT NULL")
        cursor.execute("DELETE FROM registration_payment WHERE order_id = %s", [target.pk])

    lines = findings()
    assert any(line.startswith(f"order {target.reference}: ") for line in lines)
    assert any(line.startswith(f"credit {credit.number}: ") for line in lines)


def test_a_deleted_credit_shows_on_what_it_paid(credit: Credit) -> None:
    with guards_off(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM registration_creditentry WHERE credit_id = %s", [credit.pk])
        cursor.execute("UPDATE registration_payment SET credit_id = NULL")
        cursor.execute("DELETE FROM registration_credit WHERE id = %s", [credit.pk])

    assert [line for line in findings() if "was paid by credit, but by none that is known" in line]


def test_a_deleted_credit_note_shows_on_its_refund(order: Order) -> None:
    with guards_off(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM registration_creditentry")
        cursor.execute("DELETE FROM registration_credit")

    assert findings() == [f"refund {order.refunds.get().number} of order {order.reference}: has no credit note"]


def test_a_deleted_credit_shows_on_the_history_that_names_it(order: Order, conference: Conference) -> None:
    gift = Credit.objects.create(user=order.user, conference=conference, amount=Decimal("5.00"))
    record(order, "credit_issued", facts={"credit": gift.number, "amount": gift.amount})
    with guards_off(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM registration_creditentry WHERE credit_id = %s", [gift.pk])
        cursor.execute("DELETE FROM registration_credit WHERE id = %s", [gift.pk])

    assert findings() == [f"credit {gift.number}: is gone, the history of order {order.reference} names it"]


def test_a_note_says_paid_out_only_while_the_money_is_out(order: Order) -> None:
    note = Credit.objects.get(refund__order=order)
    by_hand("UPDATE registration_credit SET status = %s WHERE id = %s", "VOIDED", note.pk)

    assert findings() == [f"credit {note.number}: is VOIDED, its refund says PAID_OUT"]


@pytest.mark.django_db(transaction=True)
def test_several_connections_find_the_same_in_the_same_order(conference: Conference) -> None:
    orders = [make_card_order(conference) for _number in range(5)]
    with guards_off(), connection.cursor() as cursor:
        cursor.execute("UPDATE registration_order SET reserved_amount = 1")

    found = [str(finding) for finding in Ledger(chunk=1, connections=2).findings()]

    assert found == [f"order {order.reference}: reserved is 1.00, its rows say 0.00" for order in orders]


def test_a_missing_trigger_is_named() -> None:
    name = "kept_entry_inserted" if connection.vendor == "sqlite" else "kept_entry"
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP TRIGGER {name}" + ("" if connection.vendor == "sqlite" else " ON registration_creditentry")
        )

    assert findings() == [f"trigger {name}: is missing; run migrate"]


def test_more_than_the_total_needs_an_item_that_says_so(conference: Conference) -> None:
    order = make_card_order(conference)
    Payment.objects.create(order=order, status=Payment.Status.SUCCEEDED, amount=Decimal("100.00"))
    assert findings() == [f"order {order.reference}: was paid 200.00 of 100.00, and no item says why"]

    OpenItem.objects.create(conference=conference, order=order, kind=OpenItem.Kind.OVERPAID, subject="payment:2")
    assert "1 orders" in verify()


def test_json_names_row_and_problem_and_ends_with_the_sum(order: Order) -> None:
    by_hand("UPDATE registration_order SET reserved_amount = 1 WHERE id = %s", order.pk)

    lines = [json.loads(line) for line in findings(json=True)]
    assert lines == [
        {"row": f"order {order.reference}", "problem": "reserved is 1.00, its rows say 0.00"},
        {"orders": 1, "credits": 1, "findings": 1},
    ]
