"""The bytes of the orders list: what a first visit loads, and what every later one does."""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from registration.models import Conference
from tests.cast import make_order, make_user

pytestmark = pytest.mark.django_db
MOST_FIRST, MOST_REPEAT = 120_000, 15_000


@pytest.fixture
def page(grace_client: Client, conference: Conference) -> str:
    """A full page of orders with names of their own, as heavy as pages get."""
    for number in range(26):
        make_order(conference, make_user(f"attendee{number}", f"Łukasiewicz-{number * 7919}"), paid=f"{number + 1}.50")
    return grace_client.get("/orders/").content.decode()


def weight(text: bytes) -> int:
    return len(gzip.compress(text))


def test_a_later_visit_loads_little_more_than_the_rows(page: str) -> None:
    assert page.count("data-row-link") == 25
    assert weight(page.encode()) < MOST_REPEAT


def test_a_first_visit_stays_small_with_all_it_links(page: str) -> None:
    linked = set(re.findall(r'(?:src|href)="/?static/([^"]+\.(?:css|js))"', page))
    paths = [finders.find(name) for name in linked]

    assert len(linked) > 40
    assert all(paths)
    everything = sum(weight(Path(str(path)).read_bytes()) for path in paths)
    assert weight(page.encode()) + everything < MOST_FIRST


def test_a_page_may_have_more_rows_and_its_links_keep_them(grace_client: Client, page: str) -> None:
    larger = grace_client.get("/orders/?size=50").content.decode()

    assert larger.count("data-row-link") == 26
    assert 'href="/orders/?status=PAID&amp;size=50"' in larger or 'href="/orders/?size=50&amp;status=PAID"' in larger
    assert '<input type="hidden" name="size" value="50"' in larger
    assert grace_client.get("/orders/?size=5000").content.decode().count("data-row-link") == 25
    assert "No orders" not in larger
