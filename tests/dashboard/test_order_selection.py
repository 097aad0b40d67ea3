"""Ticked orders: what they come to, what would be skipped and why, and the same orders as a file."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.lists import paging
from registration.models import Conference, Order
from tests.cast import HTMX, make_order, pay

pytestmark = pytest.mark.django_db


def choose(client: Client, *orders: Order, query: str = "", htmx: bool = True, **more: str) -> Any:
    body = {"order": [order.reference for order in orders]} | more
    return client.post(reverse("order_selection") + query, body, headers=HTMX if htmx else {})


def rows_of(answer: Any) -> list[str]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return [row["reference"] for row in csv.DictReader(io.StringIO(text))]


@pytest.fixture
def mixed(order: Order, pending_order: Order, new_order: Callable[..., Order]) -> dict[str, Order]:
    disputed = new_order(paid="30.00")
    disputed.payments.update(dispute={"id": "dp_1", "status": "needs_response"})
    return {
        "paid": order,
        "other": new_order(paid="12.50"),
        "unpaid": pending_order,
        "cancelled": new_order(total="20.00", status=Order.Status.CANCELLED),
        "free": new_order(total="0.00", status=Order.Status.PAID),
        "disputed": disputed,
    }


def test_the_bar_counts_sums_and_says_what_would_be_skipped(grace_client: Client, mixed: dict[str, Order]) -> None:
    bar = choose(grace_client, *mixed.values()).content.decode()

    assert "<b>6 selected</b>" in bar
    assert "€92.50 refundable in 2 orders." in bar
    assert "1 has nothing left to refund. 1 is not paid yet. 1 was cancelled. 1 is held back:" in bar
    assert "<html" not in bar


def test_what_a_dispute_leaves_of_an_order_is_counted_to_the_cent(grace_client: Client, order: Order) -> None:
    pay(order, "20.00").order.payments.filter(amount="80.00").update(dispute={"id": "dp_1"})

    assert "€20.00 refundable in 1 order." in choose(grace_client, order).content.decode()


def test_nothing_ticked_empties_the_bar(grace_client: Client, order: Order) -> None:
    bar = choose(grace_client).content.decode()

    assert bar.strip() == ""


def test_the_export_holds_exactly_the_ticked_orders(grace_client: Client, mixed: dict[str, Order]) -> None:
    answer = choose(grace_client, mixed["paid"], mixed["unpaid"], htmx=False, do="export")

    assert answer["Content-Type"].startswith("text/csv")
    assert sorted(rows_of(answer)) == sorted([mixed["paid"].reference, mixed["unpaid"].reference])


def test_select_all_means_what_the_filters_leave_and_not_the_page(
    grace_client: Client, conference: Conference, ada: Any, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    cheap = [make_order(conference, ada, paid="1.00") for _index in range(3)]

    bar = choose(grace_client, query="?most=2", all="1").content.decode()
    answer = choose(grace_client, query="?most=2", htmx=False, all="1", do="export")

    assert "All 3 that match selected" in bar
    assert "€3.00 refundable in 3 orders." in bar
    assert sorted(rows_of(answer)) == sorted(each.reference for each in cheap)


def test_the_whole_filter_is_offered_once_the_whole_page_is_ticked(
    grace_client: Client, conference: Conference, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    orders = [make_order(conference, ada, paid="1.00") for _index in range(3)]

    assert "Select all 3" in choose(grace_client, *orders[1:]).content.decode()
    assert "Select all" not in choose(grace_client, orders[2]).content.decode()


def test_without_a_script_the_sum_is_a_page_with_the_same_choice(grace_client: Client, order: Order) -> None:
    page = choose(grace_client, order, htmx=False).content.decode()

    assert "1 order selected." in page
    assert "€80.00 refundable in 1 order." in page
    assert f'<input type="hidden" name="order" value="{order.reference}">' in page
    assert "No order is selected" in choose(grace_client, htmx=False).content.decode()


def test_orders_of_another_conference_are_not_counted(
    grace_client: Client, other_conference: Conference, ada: Any
) -> None:
    foreign = make_order(other_conference, ada, paid="9.00")

    assert "selected" not in choose(grace_client, foreign).content.decode()
    assert rows_of(choose(grace_client, foreign, htmx=False, do="export")) == []


def test_who_may_do_nothing_with_a_selection_sees_no_boxes(
    grace_client: Client, sam_client: Client, order: Order
) -> None:
    box = f'name="order" value="{order.reference}"'

    assert box in grace_client.get("/orders/").content.decode()
    assert box in grace_client.get(f"/orders/{order.reference}/row/").content.decode()
    assert box not in sam_client.get("/orders/").content.decode()
    assert 'id="selection"' not in sam_client.get("/orders/").content.decode()
