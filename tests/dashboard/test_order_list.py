import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dashboard.lists import counts
from dashboard.orders import list as order_list
from registration.models import Conference, Membership, OpenItem, Order, Payment, Refund, RefundPart
from tests.cast import HTMX, make_conference, make_credit, make_order, make_user, pay
from tests.dashboard.reading import text_of

NewOrder = Callable[..., Order]
LIST = {**HTMX, "HX-Target": "orders"}


def references(client: Client, query: str = "") -> list[str]:
    response = client.get(f"{reverse('order_list')}?{query}")
    assert response.status_code == 200
    return [row.record.reference for row in response.context["orders"].table.rows]


def test_a_row_says_who_what_and_how_much_can_go_back(grace_client: Client, order: Order) -> None:
    row = grace_client.get(reverse("order_list")).content.decode()
    for text in (order.reference, "Ada Lovelace", "ada@example.com", "80.00", "Paid"):
        assert text in row


@pytest.mark.parametrize(
    "words",
    [
        "lovelace",
        "ADA lov",
        "lov ada",
        "ada@exam",
        "analytical",
        "analyt lovel",
        "muller",
        "ORD-FIND",
        "4242",
        "ada 4242",
    ],
)
def test_search_finds_words_by_their_beginning_in_any_order(
    grace_client: Client, new_order: NewOrder, words: str
) -> None:
    new_order(paid="10.00", reference="ORD-FINDME22", billing_company="Analytical Engines Müller")
    make_order(Conference.objects.get(), make_user("bob", "Babbage"), total="10.00")
    assert references(grace_client, f"q={words}") == ["ORD-FINDME22"]


@pytest.mark.parametrize("words", ["ovelace", "ada turing", "!!!", "ORD-OTHER", "9999"])
def test_search_finds_nothing_that_does_not_begin_so(grace_client: Client, new_order: NewOrder, words: str) -> None:
    new_order(paid="10.00", reference="ORD-FINDME22")
    assert references(grace_client, f"q={words}") == []


def test_search_finds_ids_at_stripe_and_their_beginnings(grace_client: Client, order: Order) -> None:
    payment = order.payments.get()
    refund = Refund.objects.create(order=order, amount=Decimal("5.00"), state=Refund.State.SUCCEEDED)
    RefundPart.objects.create(
        refund=refund, payment=payment, channel="STRIPE", amount=Decimal("5.00"), stripe_refund_id="re_found_by_id"
    )
    wanted = (payment.stripe_payment_intent_id, payment.stripe_charge_id, "re_found_by_id", "re_found")
    assert [references(grace_client, f"q={wanted_id}") for wanted_id in wanted] == [[order.reference]] * 4


def test_status_and_refundable_chips_narrow_the_list_and_count(grace_client: Client, new_order: NewOrder) -> None:
    paid, pending = new_order(paid="10.00"), new_order(total="20.00")
    assert references(grace_client, "status=PENDING") == [pending.reference]
    assert references(grace_client, "refundable=true") == [paid.reference]
    chips = grace_client.get(f"{reverse('order_list')}?status=PAID").context["orders"].chips
    assert {str(chip.label): chip.count for chip in chips if chip.count != "0"} == {
        "All": "2",
        "Refundable": "1",
        "Pending payment": "1",
        "Paid": "1",
    }
    assert [str(chip.label) for chip in chips if chip.current] == ["Paid"]


def test_amount_method_and_days_narrow_the_list(grace_client: Client, new_order: NewOrder) -> None:
    small, large = new_order(paid="10.00"), new_order(total="500.00")
    pay(large, "500.00", method=Payment.Method.TERMINAL)
    Order.objects.filter(pk=small.pk).update(created_at=datetime(2027, 3, 1, 12, tzinfo=UTC))
    assert references(grace_client, "least=100") == [large.reference]
    assert references(grace_client, "most=100.50") == [small.reference]
    assert references(grace_client, "most=100,50") == [small.reference]
    assert references(grace_client, "method=TERMINAL") == [large.reference]
    assert references(grace_client, "since=2027-03-01&until=2027-03-01") == [small.reference]


def test_days_begin_where_the_conference_is(grace_client: Client, order: Order, conference: Conference) -> None:
    Conference.objects.filter(pk=conference.pk).update(timezone="Asia/Tokyo")
    Order.objects.filter(pk=order.pk).update(created_at=datetime(2027, 3, 1, 16, tzinfo=UTC))
    assert references(grace_client, "since=2027-03-02&until=2027-03-02") == [order.reference]
    assert references(grace_client, "until=2027-03-01") == []


@pytest.mark.parametrize(
    "query",
    (
        "since=nonsense until=9999-12-31 since=0001-01-01 least=1e400 least=NaN most=-5 status=NOPE sort=password "
        "after=x after=2027~1 before=~9 after=2027-01-01~99999 after=2027-01-01T00:00:00Z~9999999999999 "
        "sort=total&after=1e400~1 sort=total&after=NaN~1 sort=total&after=5~99999999999999999999999 q=%00"
    ).split(),
)
def test_an_address_nobody_meant_still_shows_a_page(grace_client: Client, order: Order, query: str) -> None:
    assert grace_client.get(f"{reverse('order_list')}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("query", "label", "said"),
    [
        ("least=abc", "Total from", "Enter an amount like 12.50."),
        (
            "most=1,234",
            "Total to",
            "1,234 can be read in two ways. If you mean thousands, enter 1234.00;"
            " if not, at most 2 decimals, like 1.23.",
        ),
        ("since=nonsense", "Placed from", "Enter a date like 2026-11-30."),
        ("status=NOPE", "Status", "Choose one of those listed."),
    ],
)
def test_a_filter_that_cannot_be_read_is_said_and_is_no_filter(
    grace_client: Client, order: Order, query: str, label: str, said: str
) -> None:
    response = grace_client.get(f"{reverse('order_list')}?{query}")

    shown = response.context["orders"]
    assert [(each.label, each.typed, each.error) for each in shown.unread] == [(label, query.partition("=")[2], said)]
    assert not shown.filter_count
    assert not shown.is_narrowed
    assert [chip.count for chip in shown.chips][:2] == ["1", "1"]
    page = response.content.decode()
    assert f"{label}: “{query.partition('=')[2]}” was left out." in page
    assert '<details class="menu filters">' in page


def test_beside_one_that_cannot_be_read_the_others_count(grace_client: Client, order: Order) -> None:
    response = grace_client.get(f"{reverse('order_list')}?least=abc&method=TERMINAL&q=lovelace")

    assert response.context["orders"].filter_count == 1
    assert references(grace_client, "least=abc&q=lovelace") == [order.reference]
    assert references(grace_client, "least=abc&method=TERMINAL") == []


def test_what_is_wrong_with_a_filter_comes_to_its_field_and_goes(grace_client: Client, order: Order) -> None:
    place = '<div class="invalid-feedback" id="id_least_error" data-said hx-swap-oob="true">'

    wrong = grace_client.get(f"{reverse('order_list')}?least=abc", headers=LIST).content.decode()
    right = grace_client.get(f"{reverse('order_list')}?least=10", headers=LIST).content.decode()

    assert "Enter an amount like 12.50." in wrong.partition(place)[2].partition("</div>")[0]
    assert f"{place}</div>" in right


def test_an_address_can_open_the_refund_panel(grace_client: Client, linus_client: Client, new_order: NewOrder) -> None:
    order = new_order(paid="10.00")
    address = f"{reverse('order_list')}?refund={order.reference}"
    panel = 'id="refund-form"'

    assert panel in grace_client.get(address).content.decode()
    assert panel not in linus_client.get(address).content.decode()
    assert panel not in grace_client.get(f"{reverse('order_list')}?refund=ORD-NOBODY").content.decode()


@pytest.mark.parametrize("most", [(1000, 4000), (0, 4000), (0, 0)], ids=["few", "more", "many"])
def test_filters_find_the_same_however_many_rows_lead_there(
    grace_client: Client, new_order: NewOrder, monkeypatch: pytest.MonkeyPatch, most: tuple[int, int]
) -> None:
    both, by_terminal, settled = (new_order(paid="10.00", reference=f"ORD-LEDTO{i}") for i in range(3))
    for each in (both, by_terminal):
        pay(each, "5.00", method=Payment.Method.TERMINAL)
    Payment.objects.create(order=settled, amount="5.00", method="TERMINAL", status=Payment.Status.FAILED)
    for number, each in enumerate((both, both, settled)):
        OpenItem.objects.create(conference=each.conference, order=each, kind="FAILED", subject=f"{number}")
    OpenItem.objects.filter(order=settled).update(resolved_at=timezone.now())
    monkeypatch.setattr(counts, "COUNT_CAP", most[0])
    monkeypatch.setattr(counts, "MOST_GATHERED", most[1])
    assert references(grace_client, "method=TERMINAL") == [by_terminal.reference, both.reference]
    assert references(grace_client, "attention=FAILED") == [both.reference]
    assert references(grace_client, "attention=any&method=TERMINAL") == [both.reference]
    assert references(grace_client, "attention=any&method=TERMINAL&status=PENDING") == []


def test_needs_attention_can_be_filtered_and_heads_the_page(
    grace_client: Client, new_order: NewOrder, conference: Conference
) -> None:
    waiting, _quiet = new_order(paid="10.00"), new_order(paid="10.00")
    OpenItem.objects.create(conference=conference, order=waiting, kind=OpenItem.Kind.FAILED, subject="refund:1")
    assert references(grace_client, "attention=any") == [waiting.reference]
    assert references(grace_client, "attention=SLOW") == []
    page = grace_client.get(reverse("order_list")).content.decode()
    assert "1 thing needs attention." in page
    assert "Resolve" in page


def test_the_callout_names_the_three_largest_kinds(
    grace_client: Client, new_order: NewOrder, conference: Conference
) -> None:
    kinds = OpenItem.Kind
    waiting = [kinds.SLOW, kinds.FAILED, kinds.FAILED, kinds.OVERPAID, kinds.EXTERNAL, kinds.PAID_LATE, kinds.PAID_LATE]
    for number, kind in enumerate(waiting):
        OpenItem.objects.create(conference=conference, kind=kind, subject=f"refund:{number}", order=new_order())

    page = grace_client.get(reverse("order_list")).content.decode()

    assert "Refund failed: 2, Paid late: 2, " in page
    assert "and 2 more kinds" in page
    assert "Slow at Stripe:" not in page


@pytest.mark.parametrize("column", ["reference", "name", "total", "paid", "refunded", "refundable", "status", "age"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_any_sort_reaches_every_order_once_in_both_directions(
    grace_client: Client, conference: Conference, ada: Any, column: str, sign: str
) -> None:
    Order.objects.bulk_create(
        Order(
            conference=conference,
            user=ada,
            total=Decimal(index % 7),
            billing_name=f"Ada {index % 5}",
            status=Order.Status.values[index % 3],
        )
        for index in range(60)
    )
    url = f"{reverse('order_list')}?sort={sign}{column}"
    forward, pages = [], []
    while url:
        orders = grace_client.get(url).context["orders"]
        pages.append([row.record.pk for row in orders.table.rows])
        forward += pages[-1]
        last, url = orders, orders.older_url
    assert len(forward) == len(set(forward)) == 60
    assert [len(page) for page in pages] == [25, 25, 10]
    back = grace_client.get(last.newer_url).context["orders"]
    assert [row.record.pk for row in back.table.rows] == pages[1]
    assert back.newer_url


def test_what_a_pending_order_holds_is_refundable_neither_in_chip_filter_nor_row(
    grace_client: Client, conference: Conference, ada: Any, new_order: NewOrder
) -> None:
    partly, paid = new_order(total="20.00"), new_order(paid="10.00")
    pay(partly, "5.00", method="CREDIT", credit=make_credit(conference, ada, "5.00"))
    assert (partly.status, partly.refundable_amount) == (Order.Status.PENDING, Decimal("5.00"))

    assert references(grace_client, "refundable=true") == [paid.reference]
    assert references(grace_client, "refundable=false") == [partly.reference]
    for query in ("", "refundable=true", "refundable=false", "since=2020-01-01"):
        chips = grace_client.get(f"{reverse('order_list')}?{query}").context["orders"].chips
        assert next(chip.count for chip in chips if chip.label == "Refundable") == "1"
    for query, found in (("refundable=true", 1), ("refundable=false", 1)):
        assert grace_client.get(f"{reverse('order_list')}?{query}").context["orders"].found == found


def test_refundable_sorts_by_amount(grace_client: Client, new_order: NewOrder) -> None:
    made = {amount: new_order(paid=amount).reference for amount in ("9.00", "100.00", "20.00")}
    assert references(grace_client, "sort=-refundable") == [made["100.00"], made["20.00"], made["9.00"]]


def test_the_sorted_column_says_so(grace_client: Client, order: Order) -> None:
    page = grace_client.get(f"{reverse('order_list')}?sort=-total").content.decode()
    assert page.count("aria-sort=") == 1
    assert 'aria-sort="descending"' in page


def test_htmx_gets_the_list_alone_and_a_clean_address(grace_client: Client, order: Order) -> None:
    response = grace_client.get(f"{reverse('order_list')}?q=ada&since=&status=PAID&sort=", headers=LIST)
    body = response.content.decode()
    assert body.lstrip().startswith('<section id="orders"')
    assert "<html" not in body
    assert response["HX-Push-Url"] == "/orders/?q=ada&status=PAID"
    assert 'name="status" value="PAID" form="order-search"' in body
    assert '<p id="announce" hx-swap-oob="innerHTML">1 order</p>' in body
    assert "HX-Target" in response["Vary"]


def test_an_order_that_cannot_be_refunded_says_why(grace_client: Client, order: Order) -> None:
    payment = order.payments.get()
    payment.dispute = {"status": "needs_response", "created": 1777852800, "due_by": 1779062400}
    payment.save(update_fields=["dispute"])
    page = grace_client.get(reverse("order_list")).content.decode()
    assert "Not refundable: disputed on 4 May, evidence due 18 May." in page
    assert reverse("refund_create", args=[order.reference]) not in page


def test_a_pending_order_offers_credit_only_when_there_is_some(
    grace_client: Client, pending_order: Order, conference: Conference, ada: Any
) -> None:
    url = reverse("credit_apply", args=[pending_order.reference])
    assert url not in grace_client.get(reverse("order_list")).content.decode()
    make_credit(conference, ada, "20.00")
    assert url in grace_client.get(reverse("order_list")).content.decode()


def test_a_viewer_sees_no_actions(linus_client: Client, order: Order) -> None:
    page = linus_client.get(reverse("order_list")).content.decode()
    assert order.reference in page
    assert reverse("refund_create", args=[order.reference]) not in page
    assert reverse("order_export") not in page


def test_a_row_alone_is_drawn_from_the_database(grace_client: Client, order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(billing_name="Augusta King")
    body = grace_client.get(reverse("order_row", args=[order.reference]), headers=HTMX).content.decode()
    assert body.strip().startswith("<tr")
    assert f'id="order-{order.reference}"' in body
    assert "Augusta King" in body


def test_other_conferences_stay_out_of_sight(
    grace_client: Client, order: Order, other_conference: Conference, ada: Any
) -> None:
    make_order(other_conference, ada, paid="10.00")
    assert references(grace_client) == [order.reference]
    assert grace_client.get(f"{reverse('order_list')}?conference=pycon").status_code == 404


def test_the_address_names_the_conference_when_there_are_several(
    grace_client: Client, grace: Any, order: Order, other_conference: Conference, ada: Any
) -> None:
    Membership.objects.create(user=grace, conference=other_conference)
    theirs = make_order(other_conference, ada, paid="10.00")
    assert references(grace_client, "conference=pycon") == [theirs.reference]
    assert references(grace_client) == [theirs.reference]
    response = grace_client.get(f"{reverse('order_list')}?conference=djangocon&q=ada", headers=LIST)
    assert response["HX-Push-Url"] == "/orders/?conference=djangocon&q=ada"


def test_an_empty_list_and_an_empty_search_say_different_things(grace_client: Client, conference: Conference) -> None:
    assert "No orders yet" in grace_client.get(reverse("order_list")).content.decode()
    page = grace_client.get(f"{reverse('order_list')}?q=<b>nobody").content.decode()
    assert "No orders match “&lt;b&gt;nobody”" in page


def test_export_holds_exactly_what_is_filtered(grace_client: Client, new_order: NewOrder) -> None:
    wanted = new_order(paid="10.00", billing_name="=cmd()", reference="ORD-WANTED22")
    new_order(total="20.00")
    response = grace_client.get(f"{reverse('order_export')}?status=PAID")
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert response["Content-Disposition"] == 'attachment; filename="djangocon-orders.csv"'
    assert [row["reference"] for row in rows] == [wanted.reference]
    assert rows[0]["name"] == "'=cmd()"
    assert (rows[0]["total"], rows[0]["refundable"], rows[0]["currency"]) == ("10.00", "10.00", "EUR")


def test_the_list_asks_no_more_for_more_rows(
    grace_client: Client, new_order: NewOrder, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _index in range(12):
        new_order(paid="10.00")
    with django_assert_max_num_queries(7):
        grace_client.get(f"{reverse('order_list')}?q=ada")


def test_a_search_that_finds_nothing_says_at_which_conference_it_would(
    grace_client: Client, grace: Any, conference: Conference, other_conference: Conference, ada: Any, order: Order
) -> None:
    third = make_conference("unconf")
    for place in (other_conference, third):
        Membership.objects.create(user=grace, conference=place)
    make_order(other_conference, make_user("mary", "Somerville"), paid="20.00")

    page = grace_client.get("/orders/", {"q": "somerville", "conference": conference.slug}).content.decode()

    assert 'href="/orders/?conference=pycon&amp;q=somerville"' in page
    assert "1 found" in page
    assert page.index("conference=pycon") < page.index("conference=unconf&amp;q")
    assert "none found" in page


def test_an_empty_conference_offers_the_others_and_only_ones_own(
    grace_client: Client, grace: Any, other_conference: Conference, ada: Any
) -> None:
    make_order(other_conference, ada, paid="20.00")
    assert "Your other conferences" not in grace_client.get("/orders/").content.decode()

    Membership.objects.create(user=grace, conference=other_conference)
    page = grace_client.get("/orders/?conference=djangocon").content.decode()

    assert "No orders yet" in page
    assert 'href="/orders/?conference=pycon"' in page


@pytest.mark.parametrize("query", ["least=1", "since=2020-01-01", "q=lovelace", "least=1&status=PAID"])
def test_what_is_narrowed_is_counted_as_far_as_the_cap(
    grace_client: Client, new_order: NewOrder, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    for module in (counts, order_list):
        monkeypatch.setattr(module, "COUNT_CAP", 2)
    for _number in range(2):
        new_order(paid="10.00")

    assert counted(grace_client, query) == {"all": 2, "PAID": 2, "PENDING": 0}
    new_order(paid="10.00")
    assert counted(grace_client, query) == {"all": 3, "PAID": None, "PENDING": None}


def test_a_larger_page_counts_like_a_small_one(grace_client: Client, new_order: NewOrder) -> None:
    new_order(paid="10.00")
    assert counted(grace_client, "size=50") == {"all": 1, "PAID": 1, "PENDING": 0}


def counted(client: Client, query: str) -> dict[str, int | None]:
    found = client.get(f"{reverse('order_list')}?{query}").context["orders"].counts
    return {name: found[name] for name in ("all", "PAID", "PENDING")}


def test_what_is_paid_in_part_says_what_is_still_due(
    sam_client: Client, conference: Conference, ada: Any, pending_order: Order
) -> None:
    pay(pending_order, "20.00", method="MANUAL")
    held = make_order(conference, ada, total="50.00", hold_expires_at=timezone.now() + timedelta(minutes=82.5))
    pay(held, "49.00", method="MANUAL")

    page = text_of(sam_client.get("/orders/"))
    order = text_of(sam_client.get(f"/orders/{pending_order.reference}/"))

    assert "30.00 still due" in page
    assert "1.00 still due. Held for 1 h 22 min" in page
    assert "<dt>Still due</dt><dd>€30.00</dd>" in order
