"""How many of a line can be refunded: whichever way they go back, together they come to the line's total."""

import csv
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from registration.models import Conference, Order, OrderLineItem
from registration.models.refund import State
from registration.money import split_by_weight
from registration.services.fees import fee_kept
from registration.services.line_counts import amount_of, count_left
from registration.services.lines import LineLeft, lines_left
from registration.services.refund import RefundService
from registration.services.settle import move_part
from tests.cast import HTMX, make_order
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled, refund_url

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

CENTS = st.integers(1, 500_000)


def line_of(total: Decimal, quantity: int, gone: Decimal = Decimal("0.00")) -> LineLeft:
    item = OrderLineItem(description="Workshop", quantity=quantity, unit_price=total, line_total=total)
    return LineLeft(item, gone, total - gone)


@given(cents=CENTS, quantity=st.integers(1, 40), data=st.data())
def test_parts_of_a_line_add_up_to_the_cent(cents: int, quantity: int, data: st.DataObject) -> None:
    total = Decimal(cents).scaleb(-2)
    line, taken, times = line_of(total, quantity), Decimal("0.00"), 0
    while left := count_left(line, "EUR"):
        amount = amount_of(line, data.draw(st.integers(1, left)), "EUR")
        assert amount >= 0
        taken, times = taken + amount, times + 1
        line = line_of(total, quantity, taken)
        if times > quantity:
            break

    assert taken <= total
    assert line.left_amount == total - taken
    assert left or taken == total


@pytest.mark.parametrize(
    ("gone", "left", "of_one"),
    [("0.00", 3, "33.33"), ("33.33", 2, "33.34"), ("40.00", 1, "60.00"), ("66.67", 1, "33.33"), ("100.00", 0, "0.00")],
)
def test_one_of_three_that_cost_a_hundred(gone: str, left: int, of_one: str) -> None:
    line = line_of(Decimal("100.00"), 3, Decimal(gone))

    assert count_left(line, "EUR") == left
    assert amount_of(line, 1, "EUR") == Decimal(of_one)


def test_a_currency_without_cents_is_divided_into_whole_amounts() -> None:
    line = line_of(Decimal("1000.00"), 3)

    assert [amount_of(line, count, "JPY") for count in (1, 2, 3)] == [Decimal("333"), Decimal("667"), Decimal("1000")]


@given(cents=st.integers(1, 2_000), quantity=st.integers(1, 30), data=st.data())
def test_no_more_are_left_than_hold_nothing_of_what_went_back(cents: int, quantity: int, data: st.DataObject) -> None:
    total, gone = Decimal(cents).scaleb(-2), Decimal(data.draw(st.integers(0, cents))).scaleb(-2)
    first = [split_by_weight(total, [Decimal(n), Decimal(quantity - n)], "EUR")[0] for n in range(quantity + 1)]

    touched = next(n for n in range(quantity + 1) if first[n] >= gone)

    assert count_left(line_of(total, quantity, gone), "EUR") == quantity - touched


@pytest.mark.parametrize(
    ("total", "gone", "left"),
    [("0.01", "0.01", 100_000_000), ("0.02", "0.01", 150_000_000), ("100000.00", "0.01", 199_999_990)],
)
def test_a_line_that_holds_very_many_is_counted_without_counting_them(total: str, gone: str, left: int) -> None:
    """Under the order's lock, so a walk over them would keep everybody else out."""
    line = line_of(Decimal(total), 200_000_000, Decimal(gone))
    with mock.patch("registration.services.line_counts.split_by_weight", wraps=split_by_weight) as asked:
        assert count_left(line, "EUR") == left

    assert asked.call_count == 0


@pytest.mark.parametrize("left", ["20.00", "30.00", "45.00"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_where_the_order_has_less_left_than_the_line_no_number_comes_to_more(left: str, count: int) -> None:
    whole = line_of(Decimal("90.00"), 3)
    limited = LineLeft(whole.line_item, whole.refunded_amount, Decimal(left))

    assert count_left(limited, "EUR") == 1
    assert amount_of(limited, count, "EUR") == Decimal(left)


@pytest.fixture
def workshop(conference: Conference, ada: Any, sandbox: "SandboxServer") -> Order:
    """Three workshops that cost 100.00 together, and a dinner of 30.00."""
    items = {"Workshop": "100.00", "Dinner": "30.00"}
    order = make_order(conference, ada, paid="130.00", items=items, sandbox=sandbox)
    OrderLineItem.objects.filter(order=order, description="Workshop").update(
        quantity=3, unit_price=Decimal("35.00"), discount_amount=Decimal("5.00")
    )
    return order


def ticked(order: Order, **fields: Any) -> dict[str, Any]:
    return filled(order, mode="items", lines=[line.pk for line in order.line_items.all()], **fields)


def count_name(order: Order) -> str:
    return f"count_{order.line_items.get(description='Workshop').pk}"


def preview(client: Client, order: Order, **fields: Any) -> str:
    url = reverse("refund_preview", args=[order.reference])
    return text_of(client.post(url, ticked(order, **fields), headers=HTMX))


@pytest.mark.django_db(transaction=True)
def test_the_page_names_the_price_of_one_and_of_the_line(grace_client: Client, workshop: Order) -> None:
    html = text_of(grace_client.get(reverse("order_detail", args=[workshop.reference])))

    assert (
        '<th scope="col" class="num not-phone">Unit price</th><th scope="col" class="num not-phone">Line total' in html
    )
    assert '<td class="num not-phone">35.00</td><td class="num not-phone">100.00</td>' in html
    assert '<span class="sub only-phone">3 × 35.00</span><span class="sub">€5.00 discount</span>' in html


@pytest.mark.django_db(transaction=True)
def test_the_form_asks_how_many_only_where_a_line_holds_several(grace_client: Client, workshop: Order) -> None:
    html = text_of(grace_client.get(refund_url(workshop), headers=HTMX))

    assert html.count("How many") == 1
    assert f'name="{count_name(workshop)}"' in html
    assert 'value="3"' in html
    assert "<small>3 × €35.00</small>" in html


@pytest.mark.django_db(transaction=True)
def test_some_of_a_line_go_back_to_the_cent(grace_client: Client, workshop: Order) -> None:
    told = preview(grace_client, workshop, **{count_name(workshop): "2"})
    assert "<dt>Line items</dt><dd><b>2 of 3 × Workshop €66.67, Dinner €30.00</b>" in told
    assert "Refund €96.67</button>" in told

    grace_client.post(refund_url(workshop), ticked(workshop, **{count_name(workshop): "2"}), headers=HTMX)

    refund = workshop.refunds.get()
    assert [line.amount for line in refund.lines.order_by("pk")] == [Decimal("66.67"), Decimal("30.00")]
    workshop.refresh_from_db()
    assert [row.left_amount for row in lines_left(workshop)] == [Decimal("33.33"), Decimal("0.00")]
    assert "How many" not in text_of(grace_client.get(refund_url(workshop), headers=HTMX))


@pytest.mark.django_db(transaction=True)
def test_an_emptied_number_sends_nothing(grace_client: Client, workshop: Order) -> None:
    form = ticked(workshop, **{count_name(workshop): ""})

    assert "Enter a number from 1 to 3." in preview(grace_client, workshop, **{count_name(workshop): ""})
    assert grace_client.post(refund_url(workshop), form).status_code == 422
    assert not workshop.refunds.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", ["0", "4", "-1", "1.5", "two"])
def test_more_or_less_than_the_line_holds_is_said_at_its_number(
    grace_client: Client, workshop: Order, number: str
) -> None:
    name = count_name(workshop)

    response = grace_client.post(refund_url(workshop), ticked(workshop, **{name: number}), headers=HTMX)

    html = text_of(response)
    assert response.status_code == 422
    assert f'<a href="#id_{name}">Enter a number from 1 to 3.</a>' in html
    assert html.count("Enter a number from 1 to 3.") == 2
    assert not workshop.refunds.exists()


@pytest.mark.django_db(transaction=True)
def test_the_number_of_a_line_that_is_not_ticked_counts_for_nothing(grace_client: Client, workshop: Order) -> None:
    dinner = workshop.line_items.get(description="Dinner")
    form = ticked(workshop, **{count_name(workshop): "9"}) | {"lines": [dinner.pk]}

    grace_client.post(refund_url(workshop), form, headers=HTMX)

    assert workshop.refunds.get().amount == Decimal("30.00")


@pytest.mark.django_db(transaction=True)
def test_what_was_ticked_on_the_page_opens_with_how_many_it_is(grace_client: Client, workshop: Order) -> None:
    lines = [line.pk for line in workshop.line_items.all()]

    html = text_of(grace_client.get(refund_url(workshop), {"lines": lines}, headers=HTMX))

    assert "3 of 3 × Workshop €100.00, Dinner €30.00" in html


@pytest.mark.django_db(transaction=True)
def test_no_number_is_offered_where_the_order_cost_less_than_its_lines(grace_client: Client, workshop: Order) -> None:
    Order.objects.filter(pk=workshop.pk).update(total=Decimal("100.00"))

    assert "How many" not in text_of(grace_client.get(refund_url(workshop), headers=HTMX))


@pytest.mark.django_db(transaction=True)
def test_no_number_is_offered_of_a_line_that_has_more_than_its_order(grace_client: Client, workshop: Order) -> None:
    grace_client.post(refund_url(workshop), filled(workshop, amount="80.00"), headers=HTMX)

    html = text_of(grace_client.get(refund_url(workshop), headers=HTMX))

    assert "How many" not in html
    assert "€50.00" in html


@pytest.mark.django_db(transaction=True)
def test_a_failed_refund_of_some_is_tried_again_as_so_many(grace_client: Client, workshop: Order) -> None:
    only = {"lines": [workshop.line_items.get(description="Workshop").pk], count_name(workshop): "2"}
    grace_client.post(refund_url(workshop), ticked(workshop) | only, headers=HTMX)
    failed = workshop.refunds.get()
    move_part(failed.parts.get(), State.FAILED)

    html = text_of(grace_client.get(refund_url(workshop), {"retry_of": failed.pk}, headers=HTMX))

    assert "2 of 3 × Workshop €66.67" in html
    assert "Refund €66.67</span>" in html


@pytest.mark.django_db(transaction=True)
def test_where_the_order_has_less_left_than_the_line_the_amount_is_tried_again(
    grace_client: Client, workshop: Order
) -> None:
    only = {"lines": [workshop.line_items.get(description="Workshop").pk], count_name(workshop): "1"}
    grace_client.post(refund_url(workshop), ticked(workshop) | only, headers=HTMX)
    failed = workshop.refunds.get()
    move_part(failed.parts.get(), State.FAILED)
    grace_client.post(refund_url(workshop), filled(workshop, amount="80.00"), headers=HTMX)

    html = text_of(grace_client.get(refund_url(workshop), {"retry_of": failed.pk}, headers=HTMX))

    assert "Refund €33.33</span>" in html


@pytest.mark.django_db(transaction=True)
def test_a_fee_that_went_back_is_not_offered_again(grace_client: Client, workshop: Order) -> None:
    some = {"fee_kind": "fixed", "fee_amount": "5.00", count_name(workshop): "2"}
    grace_client.post(refund_url(workshop), ticked(workshop, **some), headers=HTMX)
    workshop.refresh_from_db()
    assert "5.00" in str(fee_kept(workshop))

    grace_client.post(refund_url(workshop), filled(workshop, amount="5.00"), headers=HTMX)

    assert fee_kept(Order.objects.get(pk=workshop.pk)) == 0


@pytest.fixture
def two_of_three(grace_client: Client, workshop: Order) -> Order:
    """Two of the three workshops and the dinner went back."""
    grace_client.post(refund_url(workshop), ticked(workshop, **{count_name(workshop): "2"}), headers=HTMX)
    workshop.refresh_from_db()
    return workshop


@pytest.mark.django_db(transaction=True)
def test_the_refunds_page_says_how_many(grace_client: Client, two_of_three: Order) -> None:
    page = text_of(grace_client.get(reverse("refund_detail", args=[two_of_three.refunds.get().pk])))

    assert "<dt>€66.67</dt><dd>2 of 3 × Workshop</dd><dt>€30.00</dt><dd>Dinner</dd>" in page
    assert "€33.33 left; for 2 of 3 × Workshop" in page


@pytest.mark.django_db(transaction=True)
def test_the_orders_page_says_how_many_at_the_line_and_in_the_history(
    grace_client: Client, two_of_three: Order
) -> None:
    page = text_of(grace_client.get(reverse("order_detail", args=[two_of_three.reference])))

    assert '<td class="num">66.67<span class="sub">2 of 3</span></td>' in page
    assert "€33.33 left; for 2 of 3 × Workshop" in page


@pytest.mark.django_db(transaction=True)
def test_a_line_that_an_amount_touched_says_no_number(grace_client: Client, two_of_three: Order) -> None:
    line = two_of_three.line_items.get(description="Workshop")
    RefundService.create_refund(
        two_of_three, amount=Decimal("10.00"), destination="CARD", line_amounts={line.pk: Decimal("10.00")}
    )

    page = text_of(grace_client.get(reverse("order_detail", args=[two_of_three.reference])))

    assert '<td class="num">76.67</td>' in page


@pytest.mark.django_db(transaction=True)
def test_the_file_says_how_many(grace_client: Client, two_of_three: Order) -> None:
    told = {}
    for language in ("en", "de"):
        response = grace_client.get(reverse("refund_export"), headers={"accept-language": language})
        (row,) = csv.DictReader(StringIO(response.getvalue().decode("utf-8-sig")))
        told[language] = row["line_items"]

    assert told == {"en": "2 of 3 × Workshop; Dinner", "de": "2 von 3 × Workshop; Dinner"}
