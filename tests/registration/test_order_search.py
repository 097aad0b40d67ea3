"""Search by word beginnings: the same orders on both databases, whichever way a row was made and is looked up."""

import pytest
from django.db import connection

from registration import order_search
from registration.models import Conference, Order, Payment
from registration.order_search import search
from registration.search import fold, search_text_of, words
from tests.cast import make_order, make_user, pay

pytestmark = pytest.mark.django_db


WAYS: dict[str, tuple[int, dict[int, int]]] = {"few": (1000, {}), "many": (-1, {1: 0}), "some": (1000, {1: 2})}
"""The most orders that are looked up, and the samples: of none, of everything, and of all that more than one has."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Look words up in their index, as when few orders have them, or in the orders, as when many have, or some so."""
    most, samples = WAYS[request.param]
    monkeypatch.setattr(order_search, "COMMON", most)
    monkeypatch.setattr(order_search, "SAMPLES", samples)
    return str(request.param)


@pytest.fixture
def jurgen(conference: Conference) -> Order:
    """An order with something of everything."""
    order = make_order(
        conference,
        make_user("jurgen", "Jürgen Weiß-Łukasz"),
        total="10.00",
        reference="ORD-7KQ2ZZ99",
        billing_email="j.weiss+desk@mail.nord-wind.example",
        billing_company="Æther & Søns",
    )
    pay(order, "10.00", card_last4="4242")
    return order


def found(conference: Conference, text: str) -> list[str]:
    orders = Order.objects.filter(search(conference, text).condition, conference=conference)
    return list(orders.order_by("pk").values_list("reference", flat=True))


@pytest.mark.parametrize(
    "text",
    [
        *("jurgen", "JÜRGEN", "Jürg", "weiss", "weiß", "lukasz", "łuk", "weiss jurg", "luk jur wei"),
        *("7KQ2", "ord-7kq2", "4242", "jurgen 4242", "aether", "Æth", "sons", "son aeth jur"),
        *("j.weiss", "desk", "mail", "nord", "wind", "nord-wind.example", "weiss+desk@mail", "@mail", "ju", "j"),
    ],
)
@pytest.mark.usefixtures("way")
def test_words_are_found_by_their_beginnings(jurgen: Order, conference: Conference, text: str) -> None:
    make_order(conference, make_user("bob", "Bob Babbage"), reference="ORD-BBBBBBBB", billing_email="bob@post.test")
    assert found(conference, text) == [jurgen.reference]


@pytest.mark.parametrize(
    "text", ["urgen", "weiss bob", "kq2", "242", "ind", "zz", "jurgen ada", "''", "\\", '"', "_1", "*"]
)
@pytest.mark.usefixtures("way")
def test_nothing_else_is_found(jurgen: Order, conference: Conference, text: str) -> None:
    assert found(conference, text) == []


@pytest.mark.usefixtures("way", "jurgen")
def test_another_conference_finds_nothing(conference: Conference) -> None:
    other = Conference.objects.create(name="Other", slug="other", currency="EUR")
    assert found(other, "jurgen") == []
    assert len(found(conference, "jurgen")) == 1


@pytest.mark.usefixtures("way")
def test_words_follow_every_way_a_row_is_made_and_changed(jurgen: Order, conference: Conference) -> None:
    Order.objects.filter(pk=jurgen.pk).update(billing_name="Zoë Quinn")
    assert found(conference, "zoe") == [jurgen.reference]
    assert found(conference, "jurgen") == []

    jurgen.refresh_from_db()
    jurgen.billing_company = "Ångström"
    jurgen.save()
    assert found(conference, "angst 4242") == [jurgen.reference]

    with connection.cursor() as cursor:
        cursor.execute("UPDATE registration_order SET billing_name = %s WHERE id = %s", ["Émile Öst", jurgen.pk])
    assert found(conference, "emile ost") == [jurgen.reference]

    Payment.objects.filter(order=jurgen).update(card_last4="1881")
    assert found(conference, "1881") == [jurgen.reference]
    assert found(conference, "4242") == []

    copies = [Order(conference=conference, user=jurgen.user, billing_name=f"Bülk {n}", total=1) for n in range(2)]
    Order.objects.bulk_create(copies)
    assert len(found(conference, "bulk")) == 2
    Order.objects.filter(pk=copies[0].pk).delete()
    assert len(found(conference, "bulk")) == 1


def test_a_stale_instance_does_not_bring_old_words_back(jurgen: Order, conference: Conference) -> None:
    stale = Order.objects.get(pk=jurgen.pk)
    Order.objects.filter(pk=jurgen.pk).update(billing_name="Zoë Quinn")
    stale.search_text = " nonsense"
    stale.save(update_fields=["search_text", "status"])
    assert found(conference, "zoe") == [jurgen.reference]
    assert found(conference, "nonsense") == []


def test_both_databases_fold_every_letter_alike(conference: Conference) -> None:
    order = make_order(conference, make_user("bob", "Bob"), total="10.00")
    letters = [chr(point) for point in range(0x20, 0xFFFE) if not 0xD800 <= point < 0xE000]
    for start in range(0, len(letters), 150):
        name = " ".join(f"a{letter}b" for letter in letters[start : start + 40])
        Order.objects.filter(pk=order.pk).update(billing_name=name)
        order.refresh_from_db()
        assert order.search_text == search_text_of(order.reference, name, order.billing_email, order.billing_company)


def test_folding_is_the_same_twice() -> None:
    for text in ("Straße ŁÓDŹ ﬁnance İstanbul", "ΣΊΣΥΦΟΣ Ёлка"):
        assert fold(fold(text)) == fold(text)
    assert words("O’Brien-Smith, ada@example.com") == ["o", "brien", "smith", "ada", "example", "com"]


@pytest.mark.parametrize(
    "name", ["Abcdefghijklmno", "Abcde9ghijklmno", "Abcdefg9ijklmno", "9bcdefghijklmno", "Abcdefghijkl9no"]
)
@pytest.mark.usefixtures("way")
def test_every_beginning_of_a_long_word_finds_it(conference: Conference, name: str) -> None:
    order = make_order(conference, make_user("bob", "Bob"), billing_name=name)
    make_order(conference, make_user("eve", "Eve"), billing_name=f"{name[:-1]}x")
    for length in range(1, len(name) + 1):
        assert order.reference in found(conference, name[:length])
        assert found(conference, f"{name[:length]}zz") == []
    assert found(conference, name) == [order.reference]


def sampled(conference: Conference, names: list[str]) -> None:
    """Orders that every sample holds."""
    bob = make_user("bob", "Bob Babbage")
    for number, name in enumerate(names, start=1):
        make_order(conference, bob, billing_name=name, billing_email="", pk=max(order_search.SAMPLES) * number)


def test_a_word_that_many_have_is_known_to_be_common(conference: Conference, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(conference, ["Bob Babbage"] * 12 + ["Ada Lovelace"])
    monkeypatch.setattr(order_search, "COMMON", 10)
    assert search(conference, "bob").is_common
    assert not search(conference, "lovelace").is_common
    assert not search(conference, "bob lovelace").is_common
    assert len(found(conference, "bob")) == 12


def test_what_is_found_beside_a_common_word_is_looked_up(conference: Conference) -> None:
    sampled(conference, ["Bob Babbage"] * 17 + ["Bob Lovelace", "Ada Lovelace"])
    assert len(order_search.found_by_words(conference, [("bob",), ("lovelace",)]) or []) == 1
    if connection.vendor == "postgresql":
        assert order_search.found_by_words(conference, [("bob",), ("babbage",)]) is None


def test_another_conference_makes_no_word_common(conference: Conference) -> None:
    sampled(conference, ["Bob Babbage"] * 17)
    other = Conference.objects.create(name="Other", slug="other", currency="EUR")
    assert order_search.found_by_words(other, [("bob",)]) == []


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        *[(name, asked) for name in ("Schönbrück", "Scho\u0308nbru\u0308ck") for asked in ("schoenbrueck", "Schoenbr")],
        *[("Schoenbrueck", asked) for asked in ("Schönbrück", "schönbr", "SCHÖNBRÜCK", "scho\u0308nbr")],
        *[("Jörg Müller-Böhm", asked) for asked in ("joerg mueller", "boehm", "mueller-boehm", "joerg müll")],
        *[("Bauer", "bauer"), ("Joe Queens", "queens joe"), ("Michael", "michael"), ("Ærø Søe", "aero soe")],
    ],
)
@pytest.mark.usefixtures("way")
def test_an_umlaut_is_found_however_it_is_written(conference: Conference, stored: str, asked: str) -> None:
    order = make_order(conference, make_user("bob", "Bob"), billing_name=stored)
    make_order(conference, make_user("eve", "Eve"), billing_name="Baur Jolanda Quens")
    assert found(conference, asked) == [order.reference]


@pytest.mark.parametrize("asked", ["joe", "bauer"])
@pytest.mark.usefixtures("way")
def test_letters_that_are_no_umlaut_stay_two(conference: Conference, asked: str) -> None:
    make_order(conference, make_user("eve", "Eve"), billing_name="Baur Jolanda")
    assert found(conference, asked) == []


@pytest.fixture
def paid(conference: Conference) -> dict[str, Order]:
    """Two people, what they paid, and with which card."""
    orders = {}
    for name, amount, brand, digits in (("Müller", "240.50", "visa", "4242"), ("Babbage", "75.00", "amex", "4242")):
        user = make_user(name.lower(), name, email=f"{name[0]}@example.com")
        orders[name] = make_order(conference, user, total=amount)
        pay(orders[name], amount, card_last4=digits, card_brand=brand)
    return orders


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        *[("müller 240", ["Müller"]), ("240,50 muller", ["Müller"]), ("€240 mueller", ["Müller"])],
        *[("müller 24", []), ("müller 240,51", []), ("müller 241", []), ("babbage 240", []), ("240", [])],
        *[("visa 4242", ["Müller"]), ("4242 VISA", ["Müller"]), ("amex 4242", ["Babbage"]), ("visa 4243", [])],
        *[("müller visa 4242", ["Müller"]), ("babbage visa 4242", []), ("visa", []), ("4242", ["Müller", "Babbage"])],
        *[("example 4242 75", ["Babbage"]), ("müller 4242", ["Müller"]), ("mastercard 4242", [])],
    ],
)
def test_a_name_is_found_with_an_amount_and_a_card_with_its_brand(
    conference: Conference, paid: dict[str, Order], asked: str, names: list[str]
) -> None:
    assert found(conference, asked) == [paid[name].reference for name in names]


def test_a_brand_that_somebody_is_called_is_a_word_as_well(conference: Conference, paid: dict[str, Order]) -> None:
    Order.objects.filter(pk=paid["Babbage"].pk).update(billing_company="Visa Europe")
    assert found(conference, "visa 4242") == [paid["Müller"].reference, paid["Babbage"].reference]


def test_beside_a_name_that_very_many_have_only_words_count(
    conference: Conference, paid: dict[str, Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_search, "COMMON", -1)
    assert found(conference, "müller 240") == []
    assert found(conference, "amex 4242") == [paid["Müller"].reference, paid["Babbage"].reference]
    assert search(conference, "amex 4242").is_common
