"""Each reader in their own language: chosen, remembered, and the same money and dates in its form."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from dashboard.templatetags.desk import age, moment
from registration.models import Conference, Order, Payment, RefundReason
from registration.models.refund import State
from tests.cast import HTMX, PASSWORD
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled, refund_url
from tools import messages

pytestmark = pytest.mark.django_db(transaction=True)
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.fixture
def german_client(grace_client: Client) -> Client:
    grace_client.post("/language/", {"language": "de"})
    return grace_client


def test_the_browser_chooses_until_somebody_does(client: Client) -> None:
    html = client.get("/login/", headers=GERMAN).content.decode()
    assert '<html lang="de"' in html
    assert "Anmelden" in html

    response = client.post("/language/", {"language": "en", "next": "/login/"}, headers=GERMAN)

    assert response.headers["Location"] == "/login/"
    assert '<html lang="en"' in client.get("/login/", headers=GERMAN).content.decode()
    client.post("/language/", {"language": ""}, headers=GERMAN)
    assert '<html lang="de"' in client.get("/login/", headers=GERMAN).content.decode()


def test_a_language_the_desk_does_not_speak_changes_nothing(client: Client) -> None:
    client.post("/language/", {"language": "tlh"})

    assert '<html lang="en"' in client.get("/login/").content.decode()


def test_the_choice_leads_nowhere_else(client: Client) -> None:
    response = client.post("/language/", {"language": "de", "next": "https://elsewhere.example/"})

    assert response.headers["Location"] == "/orders/"


def test_a_choice_goes_along_to_the_next_browser(german_client: Client, grace: Any, client: Client) -> None:
    client.post("/login/", {"username": grace.username, "password": PASSWORD})
    assert '<html lang="de"' in client.get("/orders/").content.decode()

    german_client.post("/language/", {"language": "en"})
    another = Client()
    another.post("/login/", {"username": grace.username, "password": PASSWORD}, headers=GERMAN)
    assert '<html lang="en"' in another.get("/orders/", headers=GERMAN).content.decode()


def test_lists_and_pages_are_in_german(german_client: Client, order: Order) -> None:
    listed = text_of(german_client.get("/orders/"))
    opened = german_client.get(f"/orders/{order.reference}/").content.decode()

    assert "Bestellungen" in listed
    assert "80,00" in listed
    assert "Bezahlt" in opened
    assert "80,00\N{NO-BREAK SPACE}€" in opened
    assert "Finanzen" in opened


def test_a_refund_in_german_moves_the_same_money(german_client: Client, order: Order) -> None:
    html = german_client.get(refund_url(order), headers=HTMX).content.decode()
    assert "80,00\N{NO-BREAK SPACE}€ erstatten" in html
    assert 'name="balance_seen" value="80.00"' in html

    german_client.post(refund_url(order), filled(order, amount="12,50", destination="CREDIT"), headers=HTMX)

    assert order.refunds.get().amount == Decimal("12.50")


def test_a_file_differs_only_in_its_words(german_client: Client, order: Order) -> None:
    german = b"".join(german_client.get("/orders/export/"))  # type: ignore[call-overload]
    german_client.post("/language/", {"language": "en"})
    english = b"".join(german_client.get("/orders/export/"))  # type: ignore[call-overload]

    assert german.replace(b",Bezahlt,", b",Paid,") == english
    assert b",80.00," in german


@pytest.mark.parametrize(
    ("zone", "clock", "noon"),
    [("Europe/Berlin", "Berlin (CET)", "13:00"), ("America/New_York", "New York (EST)", "07:00")],
)
def test_every_page_keeps_the_time_of_its_conference(
    grace_client: Client, order: Order, zone: str, clock: str, noon: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Conference.objects.update(timezone=zone)
    Order.objects.update(created_at=datetime(2026, 1, 5, 12, tzinfo=UTC))
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 1, 9, 12, tzinfo=UTC))

    html = grace_client.get("/orders/").content.decode()

    assert f"Dates and times are those of {clock}." in html
    assert f'title="5 January 2026, {noon} {clock[-4:-1]}"' in html


def test_a_conference_leaves_its_clock_to_its_own_request(grace_client: Client, order: Order) -> None:
    Conference.objects.update(timezone="Asia/Tokyo")
    grace_client.get("/orders/")

    assert moment(datetime(2020, 5, 4, 20, tzinfo=UTC)) == "4 May 2020"


@pytest.mark.parametrize(("language", "words"), [("en", "14 January 2020"), ("de", "14. Januar 2020")])
def test_days_are_written_as_the_reader_does(language: str, words: str) -> None:
    when: Any = datetime(2020, 1, 14, 9, 30, tzinfo=UTC)

    with translation.override(language):
        assert moment(when) == words
        assert f"{words}, 09:30 UTC" in age(when)


def test_the_books_speak_german_as_bookkeepers_do(german_client: Client, order: Order) -> None:
    page = text_of(german_client.get("/books/"))

    for word in ("Anfangssaldo", "Soll", "Haben", "Endsaldo", "Von", "Bis"):
        assert re.search(rf">\s*{word}\s*<", page)


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        ("2026-11-01", "2026-11-26", "Vom 1. November 2026 bis 26. November 2026, Beträge in EUR"),
        ("", "2026-11-26", "Von Anfang an bis 26. November 2026, Beträge in EUR"),
        ("2026-11-01", "", "Vom 1. November 2026 bis jetzt, Beträge in EUR"),
    ],
)
def test_a_period_of_the_books_is_a_german_phrase(
    german_client: Client, order: Order, since: str, until: str, words: str
) -> None:
    assert words in text_of(german_client.get("/books/", {"since": since, "until": until}))


def test_german_tells_a_cancelled_refund_from_a_cancelled_order() -> None:
    with translation.override("de"):
        assert (str(Order.Status.CANCELLED.label), str(State.CANCELED.label)) == ("Storniert", "Abgebrochen")


def test_no_two_reasons_of_the_refunds_read_alike(german_client: Client, conference: Conference) -> None:
    RefundReason.objects.create(conference=conference, label="Fraudulent", position=9)

    offered = choices_of(german_client.get("/refunds/"), "reason")

    assert {"Auf Wunsch der Person", "Betrug", "Stripe: Betrug", "Stripe: Auf Wunsch der Person"} <= set(offered)
    assert len(offered) == len(set(offered))


def choices_of(response: Any, name: str) -> list[str]:
    select = re.search(rf'<select name="{name}".*?</select>', text_of(response), re.DOTALL)
    assert select
    return re.findall(r"<option[^>]*>([^<]*)</option>", select[0])


def test_a_payment_by_hand_has_a_name_that_stands_in_a_sentence(
    german_client: Client, grace_client: Client, order: Order
) -> None:
    Payment.objects.filter(order=order).update(method=Payment.Method.MANUAL, card_last4="", card_brand="")

    assert "bezahlt mit Überweisung oder Bargeld" in text_of(german_client.get(refund_url(order), headers=HTMX))
    grace_client.post("/language/", {"language": "en"})
    assert "by Bank transfer or cash" in text_of(grace_client.get(refund_url(order), headers=HTMX))


def test_there_are_no_other_orders_in_german(german_client: Client, order: Order) -> None:
    page = text_of(german_client.get(f"/orders/{order.reference}/"))

    assert "<dt>Andere Bestellungen</dt><dd>Keine</dd>" in page
    assert "<dt>Gutscheincode</dt><dd>Keiner</dd>" in page


def test_german_has_one_word_for_one_thing() -> None:
    said = [str(form) for message in messages.catalogued() for form in as_forms(message.string)]

    assert [form for form in said if re.search("Unterschied|Überweisung.*erfass|sie erfass", form)] == []


def as_forms(string: object) -> tuple[object, ...]:
    return tuple(string) if isinstance(string, list | tuple) else (string,)
