"""What an address asks for and nobody can read: each page says that it was left out, and shows all."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from registration.models import ComparisonRun, Conference, Order
from registration.services.refund import RefundService
from tests.cast import HTMX
from tests.dashboard.reading import text_of

pytestmark = pytest.mark.django_db(transaction=True)

NONSENSE = "<b>nonsense</b>"
CHOICES = [
    ("refund_list", "state", "State", "succeeded"),
    ("credit_list", "state", "State", "used"),
    ("attention_list", "kind", "Kind", "FAILED"),
    ("event_list", "state", "State", "FAILED"),
    ("comparison", "state", "State", "REPAIRED"),
    ("overview", "period", "Period", "7"),
    ("order_list", "status", "Status", "PAID"),
]
LISTS = ["refund_list", "credit_list", "attention_list", "event_list", "comparison", "order_list"]
SEARCHES = ["refund_list", "event_list", "order_list"]


@pytest.fixture(autouse=True)
def season(order: Order, conference: Conference) -> None:
    """An order to count, and a comparison that found no difference."""
    finished = ComparisonRun.State.FINISHED
    now = timezone.now()
    ComparisonRun.objects.create(conference=conference, state=finished, until=now, finished_at=now)


@pytest.mark.parametrize(("page", "name", "label", "valid"), CHOICES)
def test_a_made_up_choice_is_said_and_left_out(
    grace_client: Client, page: str, name: str, label: str, valid: str
) -> None:
    made_up = grace_client.get(reverse(page), {name: NONSENSE})
    nothing, chosen = grace_client.get(reverse(page)), grace_client.get(reverse(page), {name: valid})

    assert made_up.status_code == nothing.status_code == chosen.status_code == 200
    said = f"{label}: “{escape(NONSENSE)}” was left out.</b> Choose one of those listed."
    assert said in made_up.content.decode()
    assert NONSENSE not in made_up.content.decode()
    assert "was left out" not in text_of(nothing) + text_of(chosen)


@pytest.mark.parametrize("page", ["refund_list", "credit_list", "event_list", "attention_list", "comparison"])
def test_beside_a_made_up_choice_that_of_everything_is_current(grace_client: Client, page: str) -> None:
    name = "kind" if page == "attention_list" else "state"

    def current(query: dict[str, str]) -> list[bool]:
        context: Any = grace_client.get(reverse(page), query, headers=HTMX).context
        if page == "refund_list":
            return [chip.current for chip in context["refunds"].chips]
        chips = (context["result"] if page == "comparison" else context)["chips"]
        return [chip["current"] for chip in chips]

    assert current({name: NONSENSE}) == current({})
    assert current({})[0]


@pytest.mark.parametrize("page", LISTS)
@pytest.mark.parametrize("place", [{"after": NONSENSE}, {"before": NONSENSE}])
def test_a_page_that_names_no_row_is_said_to_be_the_first(
    grace_client: Client, page: str, place: dict[str, str]
) -> None:
    response = grace_client.get(reverse(page), place)

    assert response.status_code == 200
    assert f"Page: “{escape(NONSENSE)}” was left out.</b> This is the first page." in response.content.decode()


@pytest.mark.parametrize("page", SEARCHES)
def test_words_that_no_text_holds_are_said_and_search_for_nothing(grace_client: Client, page: str) -> None:
    response = grace_client.get(reverse(page), {"q": "a\0b"})

    assert response.status_code == 200
    said = "a\N{SYMBOL FOR NULL}b” was left out.</b> It holds a null character, which nothing here has."
    assert said in text_of(response)


def test_it_is_said_in_german(grace_client: Client) -> None:
    response = grace_client.get(reverse("refund_list"), {"state": "nichts"}, headers={"accept-language": "de"})

    said = "Zustand: „nichts“ wurde ausgelassen.</b> Wählen Sie eine der angebotenen Möglichkeiten."
    assert said in text_of(response)


OF_ORDERS = [
    ({"least": "abc"}, "Total from: “abc”"),
    ({"since": "2026-13-01"}, "Placed from: “2026-13-01”"),
    ({"status": "NONE"}, "Status: “NONE”"),
    ({"refundable": "maybe"}, "Refundable: “maybe”"),
    ({"sort": "-colour"}, "Sort order: “-colour”"),
    ({"size": "7"}, "Rows on a page: “7”"),
    ({"since": "2026-03-02", "until": "2026-03-01"}, "Placed until: “2026-03-01”"),
    ({"least": "20.00", "most": "10.00"}, "Total to: “10.00”"),
]


@pytest.mark.parametrize(("query", "said"), OF_ORDERS)
def test_what_orders_cannot_be_asked_for_is_said_and_no_file_of_them_is_handed_out(
    grace_client: Client, order: Order, query: dict[str, str], said: str
) -> None:
    page = text_of(grace_client.get(reverse("order_list"), query))
    answer = grace_client.get(reverse("order_export"), query)
    ticked = grace_client.post(f"{reverse('order_selection')}?{urlencode(query)}", {"all": "1", "do": "export"})

    assert f"{said} was left out." in page
    assert order.reference in page
    for refused in (answer, ticked):
        assert refused.status_code == 400
        assert "Content-Disposition" not in refused
        assert "Nothing was exported" in text_of(refused)
        assert said in text_of(refused)
        assert order.billing_email not in text_of(refused)


def test_one_day_and_one_amount_are_ranges_that_can_be_read(grace_client: Client, order: Order) -> None:
    day = timezone.localdate().isoformat()
    query = {
        "since": day,
        "until": day,
        "least": str(order.total),
        "most": str(order.total),
        "sort": "-age",
        "size": "25",
    }

    page, answer = grace_client.get(reverse("order_list"), query), grace_client.get(reverse("order_export"), query)

    assert "was left out" not in text_of(page)
    assert order.reference in answer.getvalue().decode()


OF_REFUNDS = [
    ({"least": "abc"}, "Amount from: “abc”"),
    ({"until": "yesterday"}, "Requested until: “yesterday”"),
    ({"to": "the moon"}, "Sent to: “the moon”"),
    ({"reason": "No such reason"}, "Reason: “No such reason”"),
    ({"by": "0"}, "Requested by: “0”"),
    ({"state": "lost"}, "State: “lost”"),
    ({"since": "2026-03-02", "until": "2026-03-01"}, "Requested until: “2026-03-01”"),
    ({"least": "20.00", "most": "10.00"}, "Amount to: “10.00”"),
]


@pytest.mark.parametrize(("query", "said"), OF_REFUNDS)
def test_what_refunds_cannot_be_asked_for_is_said_and_no_file_of_them_is_handed_out(
    grace_client: Client, order: Order, query: dict[str, str], said: str
) -> None:
    RefundService.create_refund(order, amount=order.total, destination="CREDIT")
    page, answer = grace_client.get(reverse("refund_list"), query), grace_client.get(reverse("refund_export"), query)

    assert f"{said} was left out." in text_of(page)
    assert order.reference in text_of(page)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert order.reference not in text_of(answer)


@pytest.mark.parametrize("page", ["books_export", "books_movements"])
def test_no_file_of_the_books_is_handed_out_for_a_day_that_cannot_be_read(grace_client: Client, page: str) -> None:
    answer = grace_client.get(reverse(page), {"since": "2026-02-30", "until": "2026-03-01"})

    assert answer.status_code == 400
    assert "From: “2026-02-30”" in text_of(answer)
    assert f"{reverse('books')}?since=&amp;until=2026-03-01" in text_of(answer)


@pytest.mark.parametrize("page", ["order_list", "refund_list", "books"])
def test_a_period_the_wrong_way_round_is_said_in_the_same_words_everywhere(grace_client: Client, page: str) -> None:
    query = {"since": "2026-03-02", "until": "2026-03-01"}
    refused = grace_client.post(reverse("comparison_start"), query)

    for answer in (grace_client.get(reverse(page), query), refused):
        assert "Choose a day that is not before the first one." in text_of(answer)
    assert "“2026-03-01” was left out." in text_of(grace_client.get(reverse(page), query))
