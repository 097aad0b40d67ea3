"""The books as Finance sees them: the trial balance of a period, the account of an order, and both as files."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from registration.models import Conference, Order, Payment
from registration.services.credit import CreditService
from registration.services.credit_payment import release_order
from registration.services.refund import RefundService
from tests.cast import make_credit, make_order
from tests.dashboard.reading import text_of

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
IN_MARCH = {"since": "2026-03-01", "until": "2026-03-31"}


def rows_of(response: Any) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode().removeprefix("\N{BYTE ORDER MARK}")
    return list(csv.reader(StringIO(text)))


@pytest.fixture
def season(new_order: Callable[..., Order]) -> Order:
    """80.00 paid in February, 50.00 in March."""
    for amount, month in (("80.00", 2), ("50.00", 3)):
        order = new_order(paid=amount)
        Payment.objects.filter(order=order).update(created_at=datetime(2026, month, 9, tzinfo=UTC))
    return order


def test_nothing_moved_yet(grace_client: Client, conference: Conference) -> None:
    page = text_of(grace_client.get(reverse("books")))

    assert "Nothing moved yet" in page
    assert "as CSV" not in page


def test_a_month_opens_moves_and_closes(grace_client: Client, season: Order) -> None:
    page = text_of(grace_client.get(reverse("books"), IN_MARCH))

    assert "From 1 March 2026 up to 31 March 2026, amounts in EUR" in page
    card = page[page.index("Card clearing (Stripe)") :]
    assert [card.index(amount) for amount in ("80.00", "50.00", "130.00")] == sorted(
        card.index(amount) for amount in ("80.00", "50.00", "130.00")
    )
    assert "The books do not balance." not in page


def test_this_month_is_shown_unless_another_period_is_asked_for(grace_client: Client, season: Order) -> None:
    shown = text_of(grace_client.get(reverse("books")))
    everything = text_of(grace_client.get(reverse("books"), {"since": "", "until": ""}))
    nonsense = text_of(grace_client.get(reverse("books"), {"since": "2026-99-99", "until": "x"}))

    assert 'aria-current="true">This month' in shown
    assert "From the beginning up to now" in everything
    assert "From the beginning up to now" in nonsense
    assert "From: “2026-99-99” was left out." in nonsense
    assert "Up to: “x” was left out." in nonsense
    assert "was left out" not in shown + everything


def test_a_period_the_wrong_way_round_is_said_and_never_turned(grace_client: Client, season: Order) -> None:
    turned = grace_client.get(reverse("books"), {"since": IN_MARCH["until"], "until": IN_MARCH["since"]})

    page = text_of(turned)
    assert "From 31 March 2026 up to now" in page
    assert "Up to: “2026-03-01” was left out.</b> Choose a day that is not before the first one." in page
    field = turned.context["page"].form["until"]
    assert 'value="2026-03-01"' in str(field)
    assert 'aria-invalid="true"' in str(field)
    assert "autofocus" in str(field)
    assert "aria-invalid" not in str(turned.context["page"].form["since"])


@pytest.mark.parametrize("name", ["books_export", "books_movements"])
def test_no_file_is_handed_out_for_a_period_the_wrong_way_round(grace_client: Client, season: Order, name: str) -> None:
    refused = grace_client.get(reverse(name), {"since": IN_MARCH["until"], "until": IN_MARCH["since"]})

    assert refused.status_code == 400
    assert "Content-Disposition" not in refused
    assert "Choose a day that is not before the first one." in text_of(refused)


@pytest.mark.parametrize("name", ["books", "books_export", "books_movements"])
def test_a_day_that_no_clock_shows_is_the_nearest_that_one_does(grace_client: Client, season: Order, name: str) -> None:
    far = grace_client.get(reverse(name), {"since": "0001-01-01", "until": "9999-12-31"})
    whole = grace_client.get(reverse(name), {"since": "1970-01-01", "until": "2200-01-01"})
    assert far.status_code == 200
    if name != "books":
        assert far.getvalue() == whole.getvalue()


def test_the_table_comes_as_a_file(grace_client: Client, season: Order) -> None:
    response = grace_client.get(reverse("books_export"), IN_MARCH)

    assert response["Content-Disposition"] == (
        'attachment; filename="djangocon-trial-balance-2026-03-01-2026-03-31.csv"'
    )
    head, *rows = rows_of(response)
    assert head == ["account", "opening", "debits", "credits", "closing", "currency", "name"]
    assert ["card", "80.00", "50.00", "0.00", "130.00", "EUR", "Card clearing (Stripe)"] in rows
    assert sum(Decimal(row[4]) for row in rows) == 0


@pytest.mark.trap(45)
def test_every_movement_of_the_period_comes_as_a_line_and_adds_up_to_the_table(
    grace_client: Client, season: Order, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    order = make_order(conference, ada, paid="60.00", sandbox=sandbox)
    for amount, destination in (("10.00", "CARD"), ("20.00", "CREDIT"), ("30.00", "CARD_AND_CREDIT")):
        RefundService.create_refund(order, amount=Decimal(amount), destination=destination)
    everything = {"since": "", "until": ""}

    head, *moved = rows_of(grace_client.get(reverse("books_movements"), everything))
    _head, *table = rows_of(grace_client.get(reverse("books_export"), everything))

    assert head[:7] == ["moved", "what", "order", "debit", "credit", "amount", "currency"]
    held: dict[str, Decimal] = {}
    for _at, _what, _order, debit, credit, amount, *_told in moved:
        held[debit] = held.get(debit, Decimal(0)) + Decimal(amount)
        held[credit] = held.get(credit, Decimal(0)) - Decimal(amount)
    assert held == {row[0]: Decimal(row[4]) for row in table}
    net = sum(held[account] for account in ("sales", "refunds"))
    assert net == Decimal("-130.00")  # What the other two orders paid; this one nets to zero.
    assert {row[2] for row in moved} >= {order.reference}
    march = rows_of(grace_client.get(reverse("books_movements"), IN_MARCH))
    assert [row[5] for row in march[1:]] == ["50.00"]


def test_the_account_of_an_order_shows_both_sides_and_adds_up(grace_client: Client, card_order: Order) -> None:
    RefundService.create_refund(card_order, amount=Decimal("30.00"), destination="CREDIT")
    url = reverse("order_account", args=[card_order.reference])
    assert url in text_of(grace_client.get(reverse("order_detail", args=[card_order.reference])))

    page = text_of(grace_client.get(url))

    assert "€80.00 was paid and €30.00 went back." in page
    assert page.index("Payment arrived") < page.index("Credit issued")
    assert "Credits owed" in page
    assert "This account does not say" not in page
    _head, *rows = rows_of(grace_client.get(reverse("order_account_export", args=[card_order.reference])))
    assert [row[1:7] for row in rows] == [
        ["payment", card_order.reference, "card", "sales", "80.00", "EUR"],
        ["issued", card_order.reference, "refunds", "credits", "30.00", "EUR"],
    ]


def test_an_account_without_movements_says_so(grace_client: Client, pending_order: Order) -> None:
    page = text_of(grace_client.get(reverse("order_account", args=[pending_order.reference])))

    assert "The account opens with the order" in page


def test_an_account_that_disagrees_with_its_order_is_said_on_both_pages(grace_client: Client, order: Order) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registration_order SET paid_amount = 81 WHERE id = %s", [order.pk])

    assert "These figures do not add up." in text_of(grace_client.get(reverse("order_detail", args=[order.reference])))
    account = text_of(grace_client.get(reverse("order_account", args=[order.reference])))
    assert "This account does not say what the order says." in account


def test_support_sees_the_figures_without_the_account(sam_client: Client, order: Order) -> None:
    page = text_of(sam_client.get(reverse("order_detail", args=[order.reference])))

    assert "€80.00" in page
    assert "The account behind these figures" not in page


def test_the_trial_balance_takes_few_questions(
    grace_client: Client, season: Order, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(6):
        grace_client.get(reverse("books"))


def lines_of(response: Any) -> list[dict[str, str]]:
    head, *rows = rows_of(response)
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.mark.parametrize("whole", [True, False])
def test_a_movement_is_told_with_what_finds_it_at_stripe_and_here(
    grace_client: Client, grace: Any, conference: Conference, ada: Any, sandbox: "SandboxServer", whole: bool
) -> None:
    order = make_order(conference, ada, paid="60.00", sandbox=sandbox)
    make_order(conference, ada, paid="10.00")
    RefundService.create_refund(
        order, amount=Decimal("20.00"), destination="CARD", internal_reason="=Programme changed", staff_user=grace
    )
    refund, payment = order.refunds.get(), order.payments.get()
    part = refund.parts.get()
    url = reverse("books_movements") if whole else reverse("order_account_export", args=[order.reference])

    lines = lines_of(grace_client.get(url, {"since": "", "until": ""} if whole else {}))

    paid, gone = [line for line in lines if line["order"] == order.reference]
    assert (paid["what"], paid["payment_intent"], paid["charge"]) == (
        "payment",
        payment.stripe_payment_intent_id,
        payment.stripe_charge_id,
    )
    assert (paid["movement"], paid["debited"], paid["credited"]) == (
        "Payment arrived",
        "Card clearing (Stripe)",
        "Sales",
    )
    assert (gone["refund"], gone["stripe_refund"]) == (refund.number, part.stripe_refund_id)
    assert (gone["payment_intent"], gone["charge"]) == (paid["payment_intent"], paid["charge"]) != ("", "")
    assert (gone["who"], gone["reason"]) == ("Grace Hopper", "'=Programme changed")


def test_movements_of_credit_are_told_with_its_number_and_who_moved_it(
    grace_client: Client, grace: Any, card_order: Order
) -> None:
    credit = RefundService.create_refund(card_order, amount=Decimal("30.00"), destination="CREDIT", staff_user=grace)

    _paid, issued = lines_of(grace_client.get(reverse("order_account_export", args=[card_order.reference])))

    assert (issued["what"], issued["store_credit"]) == ("issued", credit.number)
    assert (issued["refund"], issued["who"]) == (card_order.refunds.get().number, "Grace Hopper")
    assert issued["stripe_refund"] == issued["charge"] == ""


def test_credit_that_a_refund_restored_names_the_refund_and_the_refunds_file_the_credit(
    grace_client: Client, grace: Any, conference: Conference, ada: Any, pending_order: Order
) -> None:
    credit = make_credit(conference, ada, "70.00")
    RefundService.apply_credits([credit], pending_order, staff_user=grace)
    RefundService.create_refund(pending_order, amount=Decimal("20.00"), destination="CREDIT")
    refund = pending_order.refunds.get()

    lines = lines_of(grace_client.get(reverse("order_account_export", args=[pending_order.reference])))
    (row,) = lines_of(grace_client.get(reverse("refund_export")))

    told = {line["what"]: (line["refund"], line["store_credit"]) for line in lines}
    assert told == {"applied": ("", credit.number), "restored": (refund.number, credit.number)}
    assert (row["refund"], row["store_credits"]) == (refund.number, credit.number)


def test_credit_that_no_refund_restored_names_none(
    grace_client: Client, grace: Any, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, total="90.00")
    RefundService.apply_credits([make_credit(conference, ada, "70.00")], order, staff_user=grace)
    release_order(order)

    lines = lines_of(grace_client.get(reverse("order_account_export", args=[order.reference])))

    assert [(line["what"], line["refund"]) for line in lines] == [("applied", ""), ("restored", "")]


def test_what_left_by_a_refund_is_its_movements_less_the_gifts_beside_it(
    grace_client: Client, grace: Any, conference: Conference, ada: Any, sandbox: "SandboxServer"
) -> None:
    order = make_order(conference, ada, paid="60.00", sandbox=sandbox)
    pending = make_order(conference, ada, total="50.00")
    RefundService.apply_credits([make_credit(conference, ada, "50.00")], pending, staff_user=grace)
    for of, to in ((order, "CARD"), (order, "CARD_AND_CREDIT"), (order, "CREDIT"), (pending, "CREDIT")):
        RefundService.create_refund(of, amount=Decimal("10.00"), destination=to)

    moved = lines_of(grace_client.get(reverse("books_movements"), {"since": "", "until": ""}))
    rows = lines_of(grace_client.get(reverse("refund_export")))

    by_refunds = [line for line in moved if line["refund"] and line["debit"] != "goodwill"]
    assert {line["what"] for line in by_refunds} == {"refund", "issued", "restored"}
    left = sum(Decimal(row[fate]) for row in rows for fate in ("arrived", "on_its_way", "came_back"))
    assert sum(Decimal(line["amount"]) for line in by_refunds) == left == Decimal("40.00")


def test_movements_of_a_refund_say_who_approved_it(
    grace_client: Client, grace: Any, sam: Any, card_order: Order
) -> None:
    RefundService.create_refund(card_order, amount=Decimal("20.00"), destination="CARD", staff_user=sam)
    credit = RefundService.create_refund(card_order, amount=Decimal("30.00"), destination="CREDIT", staff_user=sam)
    card_order.refunds.update(decided_by=grace)
    CreditService.adjust(credit, amount=Decimal("-1.00"), reason="Typo", staff_user=sam)

    lines = lines_of(grace_client.get(reverse("order_account_export", args=[card_order.reference])))

    told = {line["what"]: (line["who"], line["approved_by"]) for line in lines}
    assert told["refund"] == told["issued"] == ("Sam Gamgee", "Grace Hopper")
    assert told["adjusted"] == ("Sam Gamgee", "")
    assert told["payment"] == ("", "")


def test_the_words_of_a_file_are_the_readers_and_its_codes_are_not(grace_client: Client, season: Order) -> None:
    german = {"accept-language": "de"}

    table = lines_of(grace_client.get(reverse("books_export"), IN_MARCH, headers=german))
    moved = lines_of(grace_client.get(reverse("books_movements"), IN_MARCH, headers=german))

    assert [line["name"] for line in table if line["account"] == "sales"] == ["Erlöse"]
    assert [(line["what"], line["movement"], line["credited"]) for line in moved] == [
        ("payment", "Zahlung eingegangen", "Erlöse")
    ]
