"""How many statements each page takes, fixed: one more is a decision, not an accident."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pprint import pformat
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tools.bench.clock import Asked
from tools.bench.pages import Page, Samples, list_pages, listing, other_pages, refund_lists, remaining_pages
from tools.bench.season import build

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OF_THE_LIST = (
    *("first page", "the list alone (htmx)", "a page from the middle", "sorted by -refundable", "status PAID"),
    *("paid by STRIPE", "paid by TERMINAL", "needs attention"),
)
OF_THE_REFUNDS = ("state succeeded", "one day", "by one person", "amounts")
NAMED = {"order_list", "order_row", "changes", "order_detail", "attendee_detail", "attendee_search", "refund_preview"}
QUERIES: dict[str, int] = {
    "Orders, first page": 4,
    "Orders, the list alone (htmx)": 4,
    "Orders, a page from the middle": 4,
    "Orders, sorted by -refundable": 4,
    "Orders, status PAID": 4,
    "Orders, paid by STRIPE": 4,
    "Orders, paid by TERMINAL": 5,
    "Orders, needs attention": 5,
    "Search": 5,
    "Refunds, state succeeded": 9,
    "Refunds, one day": 11,
    "Refunds, by one person": 13,
    "Refunds, amounts": 11,
    "Row of an order": 3,
    "Live check, nothing new": 3,
    "Page of an order": 7,
    "Page of a refunded order": 7,
    "Page of an order with a long history": 7,
    "Page of an attendee": 9,
    "Page of an attendee with a long history": 9,
    "Credit look-up, last name": 10,
    "Credit look-up, full name": 11,
    "Credit look-up, email before the @": 11,
    "Credit look-up, email after the @": 11,
    "Credit look-up, two letters": 10,
    "Credit look-up, no match": 9,
    "Refund preview": 9,
    "Page order_account": 5,
    "Page order_menu": 5,
    "Page order_why_not": 5,
    "Page order_lines": 6,
    "Page refund_create": 30,
    "Page credit_apply": 5,
    "Page refund_list": 9,
    "Page refund_detail": 10,
    "Page manual_confirm": 11,
    "Page attention_list": 7,
    "Page attention_item": 5,
    "Page credit_list": 4,
    "Page credit_detail": 6,
    "Page credit_adjust": 4,
    "Page credit_extend": 4,
    "Page credit_void": 4,
    "Page overview": 17,
    "Page credit_issue": 4,
    "Page event_list": 7,
    "Page event_detail": 4,
    "Page books": 5,
    "Page books_movements": 2,
    "Page comparison": 5,
    "Page healthz": 2,
    "Page readyz": 3,
}
"""By page; what is not a page of its own name is what the bench calls it."""


@pytest.fixture
def client_and_pages() -> tuple[Client, list[Page]]:
    """A member of Finance in a small season, and whatever can be looked at there."""
    season = build(1_500, now=NOW, long=60)
    client, samples = Client(), Samples()
    client.force_login(season.staff)
    shown = client.get(listing()).content.decode()
    wanted = [page for page in list_pages(samples) if page.name.removeprefix("Orders, ") in OF_THE_LIST]
    wanted.append(Page("Search", Asked(listing(q=samples.plain.billing_name))))
    wanted += [page for page in refund_lists(samples) if page.name.removeprefix("Refunds, ") in OF_THE_REFUNDS]
    wanted += other_pages(samples, shown)
    others = (page for page in remaining_pages(samples, NAMED) if client.get(page.asked.path).status_code == 200)
    return client, [*wanted, *others]


def statements(client: Client, asked: Asked) -> int:
    count = 0

    def keep(execute: Any, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*arguments)

    with connection.execute_wrapper(keep):
        asked.send(client)
    return count


def warm(client: Client, pages: list[Page]) -> Iterator[tuple[str, int]]:
    for page in pages:
        page.asked.send(client)
        yield page.name, statements(client, page.asked)


def test_every_page_takes_as_many_statements_as_the_table_says(client_and_pages: tuple[Client, list[Page]]) -> None:
    counted = dict(warm(*client_and_pages))

    assert counted == QUERIES, f"The table would read now:\n{pformat(counted, sort_dicts=False)}"
