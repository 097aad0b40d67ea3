"""At 100,000 orders no page of the list, no search and no check for news reads a whole table."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from tools.bench.clock import Asked
from tools.bench.pages import Samples, list_pages, listing, other_pages, refund_lists, search_forms
from tools.bench.plans import faults
from tools.bench.season import build

pytestmark = pytest.mark.django_db

ORDERS, LONG = 100_000, 200
NOW = datetime(2026, 11, 1, tzinfo=UTC)
COMMON_TOGETHER = ("ada lovelace", "4242 hopper", "ord example", "okafor.example")
"""Words that many orders have, which few, some or nearly all have together."""
READ_MORE = ("Orders, not refundable",)
"""What still reads more, each with its figures in ``docs/performance.md``: nothing else may join them."""


def test_no_page_reads_more_than_it_shows() -> None:
    # One test for all, because the season takes most of the time and cannot be shared between processes.
    season = build(ORDERS, now=NOW, long=LONG)
    client, samples = Client(), Samples()
    client.force_login(season.staff)
    shown = client.get(listing()).content.decode()
    asked = {
        page.name: page.asked for page in (*list_pages(samples), *refund_lists(samples), *other_pages(samples, shown))
    }
    asked |= {f"Search, {words}": Asked(listing(q=text)) for words, text in search_forms(samples).items()}
    asked |= {f"Search, {text}": Asked(listing(q=text)) for text in COMMON_TOGETHER}

    bounded = {name: each for name, each in asked.items() if not name.startswith(READ_MORE)}
    found = [f"{name} {fault}" for name, each in bounded.items() for fault in faults(client, each)]

    assert not found, "\n\n".join(found)
