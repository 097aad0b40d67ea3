import csv
import io
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from dashboard.lists import export
from registration.models import Conference, Credit, Order, Payment, RefundPart
from registration.sentences import sentence
from registration.services.credit import CreditService
from registration.services.history import record
from registration.services.notes import add_note
from registration.services.refund import RefundService
from tests.cast import client_of, make_credit, pay

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
    heading, *pieces = export.csv_of(Order.objects.order_by("pk"), UTC)

    assert heading.startswith("\N{BYTE ORDER MARK}reference,status,")
    assert [piece.count("\r\n") for piece in pieces] == [2, 1]
    assert [line.split(",")[0] for line in "".join(pieces).splitlines()] == three_orders


def test_whoever_stops_reading_ends_the_query(three_orders: list[str]) -> None:
    before = connection.savepoint_ids[:]
    lines = export.csv_of(Order.objects.order_by("pk"), UTC)
    next(lines), next(lines)
    assert open_cursors() == (1 if connection.vendor == "postgresql" else 0)

    lines.close()

    assert open_cursors() == 0
    assert connection.savepoint_ids == before


def test_a_name_that_looks_like_a_formula_stays_text(new_order: NewOrder) -> None:
    new_order(billing_name="=1+1", billing_company="-cmd", billing_email="")

    line = list(export.csv_of(Order.objects.all(), UTC))[1]

    assert "'=1+1,,'-cmd," in line


def rows_of(response: Any) -> list[dict[str, str]]:
    # As a server does: the request has ended, and with it the reader's language and clock.
    return list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"))))


def test_moments_and_states_read_as_on_the_pages(
    grace: Any, conference: Conference, new_order: NewOrder, settings: Any
) -> None:
    Conference.objects.filter(pk=conference.pk).update(timezone="Europe/Lisbon")
    order = new_order(paid="10.00")
    Order.objects.filter(pk=order.pk).update(created_at=datetime(2027, 7, 1, 23, 5, 4, 321, UTC))
    client = client_of(grace)
    client.post("/language/", {"language": "de"})

    row = rows_of(client.get(reverse("order_export")))[0]

    assert row["placed"] == "2027-07-02T00:05:04+01:00"
    assert (row["status"], row["state"]) == ("PAID", "Bezahlt")


@pytest.mark.parametrize(
    ("language", "refunded"), [("en", "Grace Hopper refunded €30.00"), ("de", "Grace Hopper hat 30,00")]
)
def test_the_history_of_an_order_comes_in_the_sentences_of_its_page(
    grace: Any, card_order: Order, language: str, refunded: str
) -> None:
    RefundService.create_refund(card_order, amount=Decimal("30.00"), destination="CREDIT", staff_user=grace)
    add_note(card_order, text="=cmd()", staff_user=grace)
    client = client_of(grace)
    client.post("/language/", {"language": language})
    page = client.get(reverse("order_detail", args=[card_order.reference])).content.decode()

    response = client.get(reverse("order_history_export", args=[card_order.reference]))
    rows = rows_of(response)

    assert reverse("order_history_export", args=[card_order.reference]) in page
    assert response["Content-Disposition"].startswith(f'attachment; filename="{card_order.reference}-')
    assert [int(row["position"]) for row in rows] == list(range(1, card_order.history.count() + 1))
    assert all(
        row["what"].replace("\N{NO-BREAK SPACE}", " ") in page.replace("\N{NO-BREAK SPACE}", " ") for row in rows
    )
    told = next(row for row in rows if row["event"] == "refund_requested")
    assert told["what"].startswith(refunded)
    assert (told["who"], told["amount"], told["currency"]) == ("Grace Hopper", "30.00", "EUR")
    assert told["refund"] == card_order.refunds.get().number
    assert rows[-1]["note"] == "'=cmd()"
    assert rows[-1]["when"].endswith(("+01:00", "+02:00", "+00:00"))


def test_what_was_taken_off_stays_a_number(order: Order) -> None:
    record(order, "credit_adjusted", facts={"amount": "-5.00", "currency": "EUR", "credit": "CR-1", "reason": "x"})

    row = list(csv.DictReader(io.StringIO("".join(export.history_csv(order)).lstrip("\ufeff"))))[-1]

    assert (row["amount"], row["currency"]) == ("-5.00", "EUR")


def test_a_long_history_comes_whole_and_leaves_the_language_alone(
    order: Order, grace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    for number in range(5):
        add_note(order, text=f"Note {number}", staff_user=grace)

    _heading, *pieces = export.history_csv(order)

    lines = list(csv.reader(io.StringIO("".join(pieces))))
    assert [line[2] for line in lines] == [sentence(entry) for entry in order.history.order_by("position")]
    assert [piece.count("\r\n") for piece in pieces[:2]] == [2, 2]


def test_the_ledger_of_an_attendee_comes_in_the_words_of_their_page(
    grace: Any, card_order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    for amount in ("30.00", "20.00", "5.00"):
        RefundService.create_refund(card_order, amount=Decimal(amount), destination="CREDIT", staff_user=grace)
    attendee, client = card_order.user, client_of(grace)
    address = reverse("ledger_export", args=[attendee.pk])
    page = client.get(reverse("attendee_detail", args=[attendee.pk])).content.decode()

    response = client.get(address, {"conference": card_order.conference.slug})
    rows = rows_of(response)

    assert f"{address}?conference={card_order.conference.slug}" in page
    assert [(row["amount"], row["balance"]) for row in rows] == [
        ("30.00", "30.00"),
        ("20.00", "50.00"),
        ("5.00", "55.00"),
    ]
    assert all(row["what"] in page and row["detail"] in page for row in rows)
    assert {(row["who"], row["order"], row["currency"]) for row in rows} == {
        ("Grace Hopper", card_order.reference, "EUR")
    }
    assert f"-{attendee.pk}.csv" in response["Content-Disposition"]


def test_a_reference_that_looks_like_a_formula_stays_text(grace: Any, card_order: Order) -> None:
    card_order.reference = "=1+1"
    card_order.save()
    RefundService.create_refund(card_order, amount=Decimal("30.00"), destination="CREDIT", staff_user=grace)

    (row,) = rows_of(client_of(grace).get(reverse("ledger_export", args=[card_order.user_id])))
    account = rows_of(client_of(grace).get(reverse("order_account_export", args=["=1+1"])))

    assert row["order"] == "'=1+1"
    assert {each["order"] for each in account} == {"'=1+1"}


def test_a_reason_in_a_ledger_cannot_become_a_formula(grace: Any, conference: Conference, ada: Any) -> None:
    CreditService.issue(ada, conference, amount=Decimal("5.00"), reason="=cmd()", staff_user=grace)

    row = rows_of(client_of(grace).get(reverse("ledger_export", args=[ada.pk])))[-1]

    assert not row["detail"].startswith("=")
    assert (row["amount"], row["credit"]) == ("5.00", Credit.objects.get().number)


def test_credits_come_as_a_file_of_exactly_the_state_that_is_listed(
    grace: Any, conference: Conference, other_conference: Conference, ada: Any
) -> None:
    spendable = make_credit(conference, ada, "30.00", note="=gift", issued_by=grace)
    make_credit(conference, ada, "20.00", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    make_credit(other_conference, ada, "10.00")
    client = client_of(grace)

    (row,) = rows_of(client.get(reverse("credit_export"), {"state": "available"}, headers={"accept-language": "de"}))
    everything = rows_of(client.get(reverse("credit_export")))

    assert (row["credit"], row["email"], row["amount"], row["left"]) == (
        spendable.number,
        ada.email,
        "30.00",
        "30.00",
    )
    assert (row["state"], row["state_in_words"], row["issued_by"]) == ("available", "Verfügbar", "Grace Hopper")
    assert row["note"] == "'=gift"
    assert [each["state"] for each in everything] == ["expired", "available"]


def test_no_file_of_all_credits_is_handed_out_for_a_state_that_does_not_exist(grace: Any, ada: Any) -> None:
    answer = client_of(grace).get(reverse("credit_export"), {"state": "lost"})

    assert answer.status_code == 400
    assert "State: “lost”" in answer.content.decode()


def test_the_file_of_credits_follows_the_chip_and_is_offered_to_whom_may_have_it(
    grace: Any, linus: Any, conference: Conference
) -> None:
    address = f"{reverse('credit_export')}?state=used"

    assert address in client_of(grace).get(reverse("credit_list"), {"state": "used"}).content.decode()
    assert "export-credits" not in client_of(linus).get(reverse("credit_list"), {"state": "used"}).content.decode()


def test_what_is_on_its_way_is_not_called_refunded(new_order: NewOrder) -> None:
    order = new_order(status=Order.Status.PAID)
    pay(order, "80.00", method=Payment.Method.TERMINAL)
    RefundService.create_refund(order, amount=Decimal("30.00"), destination="CARD")
    RefundService.create_refund(order, amount=Decimal("10.00"), destination="CARD")
    RefundPart.objects.filter(amount=Decimal("10.00")).update(state="pending")

    heading, row = "".join(export.csv_of(Order.objects.all(), UTC)).splitlines()

    told = dict(zip(heading.split(","), row.split(","), strict=True))
    columns = ("refunded", "on_its_way", "reserved", "refundable")
    assert [told[name] for name in columns] == ["0.00", "10.00", "30.00", "40.00"]


def test_an_export_leaves_a_trace_of_who_took_what_and_none_of_the_words_searched_for(
    grace_client: Client, order: Order, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dashboard.lists.export")
    ticked = {"do": "export", "order": [order.reference]}
    grace_client.head(reverse("order_export"))

    grace_client.get(reverse("order_export"), {"q": "Lovelace", "status": "PAID", "least": ""})
    grace_client.get(reverse("order_account_export", args=[order.reference]))
    grace_client.post(reverse("order_selection"), ticked)

    assert [each.getMessage() for each in caplog.records if each.name == "dashboard.lists.export"] == [
        "file_exported file=djangocon-orders.csv by=grace narrowed=q=*&status=PAID",
        f"file_exported file={order.reference}-account.csv by=grace narrowed=-",
        "file_exported file=djangocon-orders.csv by=grace narrowed=ticked=1",
    ]
