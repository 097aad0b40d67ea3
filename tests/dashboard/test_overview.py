"""The overview: figures beside the period before, plots with their numbers, and what it costs to ask."""

import re
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.overview import plots
from dashboard.overview.page import tenth
from dashboard.overview.spans import spans_of, unit_of, weeks_until
from registration.models import ComparisonRun, Conference, Difference, OpenItem, Order, Refund
from registration.services.refund import RefundService
from tests.cast import make_credit, make_order
from tests.registration.test_figures import move, noon

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
MOST_QUERIES = 20


def page_of(client: Client, period: str = "") -> str:
    answer = client.get("/overview/", {"period": period} if period else {})
    assert answer.status_code == 200
    page = re.sub(r'<svg[^>]*class="i".*?</svg>', "", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", page[page.index("<h1>") : page.index("</main>")])


@pytest.fixture
def season(conference: Conference, ada: Any, order: Order) -> date:
    """80.00 and 120.00 paid; 10.00 refunded forty days ago, 15.00 today, 4.00 on its way; 30.00 owed as credit."""
    today = timezone.now().date()
    Order.objects.filter(pk=order.pk).update(created_at=noon(today - DAY * 50))
    other = make_order(conference, ada, paid="120.00")
    move(order, "10.00", noon(today - DAY * 40), reason="Our mistake")
    move(other, "15.00", noon(today), reason="Programme changed")
    failed = move(other, "4.00", noon(today), "requested")
    OpenItem.objects.create(
        conference=conference, order=other, refund=failed, kind=OpenItem.Kind.UNCONFIRMED, subject="refund:1"
    )
    make_credit(conference, ada, "30.00")
    return today


def test_the_key_figures_stand_beside_the_period_before(grace_client: Client, season: date) -> None:
    page = page_of(grace_client)

    assert (
        '<dd class="big">€15.00</dd><dd class="delta">1 refund, €4.00 more not sent yet, 50.0% up on the period before'
        in page
    )
    # 25.00 of 200.00 have gone back; before the period it was 10.00 of 80.00.
    assert '<dd class="big">12.5%</dd><dd class="delta">of €200.00 paid so far, was 12.5% before' in page
    assert '<dd class="big">€30.00</dd><dd class="delta">1 credit, €30.00 up in this period' in page
    assert '<dd class="big">€4.00</dd>' in page
    assert "Being verified: 1" in page


def test_since_sales_opened_compares_with_nothing(grace_client: Client, season: date) -> None:
    page = page_of(grace_client, "all")

    assert '<dd class="big">€25.00</dd><dd class="delta">2 refunds, €4.00 more not sent yet</dd>' in page
    assert "the period before" not in page
    usual, made_up = page_of(grace_client, "30"), page_of(grace_client, "for ever")
    assert "Period: “for ever” was left out." in made_up
    assert made_up.partition('<dl class="kpis">')[2] == usual.partition('<dl class="kpis">')[2] != ""


def test_every_plot_has_words_and_its_numbers_in_a_table(grace_client: Client, season: date) -> None:
    page = page_of(grace_client, "7")

    assert "Refunds by day. Most moved on" in page
    assert page.count('role="img"') == 3
    assert page.count("<details><summary>Show as table") == 3
    assert '<td class="num">15.00</td><td class="num">4.00</td><td class="num">19.00</td>' in page
    assert "Refund rate by week, from" in page
    assert '<th scope="row">Programme changed' in page
    assert '<th scope="row">Under 30 days' in page
    assert "<script>" not in page
    assert "style=" not in page


def test_the_figure_over_the_bars_counts_what_moved_as_the_table_does(
    grace_client: Client, season: date, order: Order
) -> None:
    move(order, "30.00", noon(season - DAY), "rejected")
    move(order, "20.00", noon(season - DAY), "awaiting_approval")

    page = page_of(grace_client, "7")

    assert ">19.00 moved</text>" in page or ">19 moved</text>" in page
    assert re.search(r"Refunds by day\. Most moved on [^:]+: €19\.00\.", page)
    assert '<td class="num">0.00</td><td class="num">20.00</td><td class="num">30.00</td>' in page


def test_where_nothing_moved_no_bar_says_so_of_itself(grace_client: Client, order: Order) -> None:
    move(order, "30.00", noon(timezone.now().date()), "rejected")

    page = page_of(grace_client, "7")

    assert "Refunds by day. Nothing moved." in page
    assert " moved</text>" not in page


def test_a_refund_without_a_house_reason_counts_under_the_one_that_stripe_was_told(
    grace_client: Client, season: date, order: Order
) -> None:
    move(order, "2.00", noon(season), stripe_reason="duplicate")

    assert '<th scope="row">Stripe: Duplicate' in page_of(grace_client, "7")


def test_refunds_made_at_stripe_are_one_line_beside_the_reasons_of_the_house(
    grace_client: Client, season: date, order: Order
) -> None:
    for code in ("duplicate", "requested_by_customer"):
        move(order, "2.00", noon(season), stripe_reason=code, source="EXTERNAL")
    move(order, "1.00", noon(season), reason="Our mistake")

    page = page_of(grace_client, "7")

    assert page.count('<th scope="row">Made at Stripe') == 1
    assert page[page.index("Made at Stripe") :].index("4.00") < 500
    assert '<th scope="row">Our mistake' in page
    assert '<th scope="row">Stripe: Duplicate' not in page


def test_a_conference_without_orders_says_so(grace_client: Client) -> None:
    assert "Nothing to count yet" in page_of(grace_client)


def test_a_period_without_refunds_says_so_and_still_draws(grace_client: Client, order: Order) -> None:
    page = page_of(grace_client)

    assert "No refund was decided in this period." in page
    assert "No refund waits for anybody." in page
    assert '<dd class="big">0.0%</dd>' in page


def test_the_overview_is_in_the_menu_of_finance_alone(
    grace_client: Client, sam_client: Client, linus_client: Client, order: Order
) -> None:
    link = 'href="/overview/"'

    assert link in grace_client.get("/orders/").content.decode()
    for client in (sam_client, linus_client):
        assert link not in client.get("/orders/").content.decode()
        assert client.get("/overview/").status_code == 403


def test_it_asks_the_same_number_of_questions_however_much_there_is(
    grace_client: Client, season: date, conference: Conference, ada: Any, django_assert_max_num_queries: Any
) -> None:
    for _index in range(3):
        other = make_order(conference, ada, paid="20.00")
        RefundService.create_refund(other, amount=Decimal("1.00"), destination=Refund.Destination.CREDIT)
        refund = other.refunds.get()
        OpenItem.objects.create(
            conference=conference, order=other, refund=refund, kind=OpenItem.Kind.FAILED, subject=f"refund:{refund.pk}"
        )
    with django_assert_max_num_queries(MOST_QUERIES):
        grace_client.get("/overview/?period=all")


def words(amount: Decimal) -> str:
    return str(amount)


def test_bars_stand_on_each_other_and_fill_the_height() -> None:
    plot = plots.bars(
        [("Mon", [("left", Decimal(75)), ("red", Decimal(25))]), ("Tue", [("left", Decimal(50))])],
        words,
        (0, "75.00 moved"),
    )
    low, high = plot.stacks[0]["parts"]

    assert (low["tone"], low["y"] + low["height"]) == ("left", plots.BASE)
    assert high["y"] == plots.TOP
    assert high["y"] + high["height"] == low["y"] - 1
    assert plot.peak is not None
    assert (plot.peak["text"], plot.peak["dot"]) == ("75.00 moved", plots.TOP)
    assert [line["y"] for line in plot.grid] == [plots.BASE - 80, plots.TOP]


def test_words_above_a_bar_lie_over_no_taller_one_beside_it() -> None:
    days = [(str(day), [("left", Decimal(10))]) for day in range(30)]
    days[24] = ("24", [("left", Decimal(50))])
    alone = plots.bars(days, words, (24, "50.00 moved"))
    days[26] = ("26", [("left", Decimal(10)), ("amber", Decimal(90))])
    beside = plots.bars(days, words, (24, "50.00 moved"))
    days[26], days[3] = days[3], days[26]
    far = plots.bars(days, words, (24, "50.00 moved"))

    assert alone.peak is not None
    assert beside.peak is not None
    assert far.peak is not None
    assert (alone.peak["anchor"], alone.peak["y"]) == ("middle", plots.TOP - plots.ABOVE)
    assert (beside.peak["anchor"], beside.peak["y"]) == ("end", beside.peak["dot"] - plots.ABOVE)
    assert (far.peak["anchor"], far.peak["y"]) == ("middle", far.peak["dot"] - plots.ABOVE)

    days[22] = days[26] = ("taller", [("left", Decimal(100))])
    between = plots.bars(days, words, (24, "50.00 moved")).peak
    assert between is not None
    assert between["y"] == plots.TOP - plots.ABOVE


@pytest.mark.parametrize(("rate", "text"), [("4.477", "4.5%"), ("4.45", "4.5%"), ("4.44", "4.4%"), ("0", "0.0%")])
def test_a_rate_is_rounded_and_not_cut(rate: str, text: str) -> None:
    assert tenth(Decimal(rate)) == text


def test_a_plot_of_nothing_is_an_axis() -> None:
    plot = plots.bars([("Mon", []), ("Tue", [])], words)

    assert plot.peak is None
    assert plot.grid == []
    assert all(stack["parts"] == [] for stack in plot.stacks)
    assert plots.line([("Mon", Decimal(0))], words).path == f"M{plots.GUTTER} {plots.BASE}"
    assert plots.shares([("a", Decimal(0))], 440) == [0]
    assert plots.shares([("a", Decimal(1000)), ("b", Decimal("0.01"))], 440) == [440, 1]


@pytest.mark.parametrize(
    ("top", "marks"),
    [
        ("0.40", ["0.1", "0.2", "0.3", "0.4"]),
        ("9", ["2", "4", "6", "8"]),
        ("10", ["5", "10"]),
        ("2480", ["500", "1000", "1500", "2000"]),
        ("1000000", ["500000", "1000000"]),
    ],
)
def test_grid_lines_stand_at_round_amounts(top: str, marks: list[str]) -> None:
    grid = plots.line([("a", Decimal(0)), ("b", Decimal(top))], words).grid

    assert [Decimal(line["text"]) for line in grid] == [Decimal(mark) for mark in marks]


def test_long_periods_are_cut_into_weeks_and_months_without_a_gap() -> None:
    first = date(2026, 1, 15)
    for last, unit in ((date(2026, 3, 1), "day"), (date(2026, 12, 31), "week"), (date(2029, 5, 3), "month")):
        spans = spans_of(first, last)
        assert unit_of(first, last) == unit
        assert spans[0].first == first
        assert spans[-1].last >= last
        assert all(after.first == span.last + DAY for span, after in pairwise(spans))


def test_the_rate_has_some_weeks_but_none_before_the_opening() -> None:
    today = date(2026, 3, 4)

    assert len(weeks_until(today, today, date(2025, 1, 1))) == 9
    assert [week.first for week in weeks_until(today, today, date(2026, 2, 27))] == [
        date(2026, 2, 23),
        date(2026, 3, 2),
    ]


def test_the_last_line_says_whether_ledger_and_stripe_agree(
    grace_client: Client, season: date, conference: Conference
) -> None:
    assert "Ledger and Stripe have not been compared yet." in page_of(grace_client)
    now = timezone.now()
    run = ComparisonRun.objects.create(
        conference=conference, until=now, state=ComparisonRun.State.FINISHED, finished_at=now
    )
    assert "Ledger and Stripe agree to the cent, last checked today" in page_of(grace_client)

    Difference.objects.create(run=run, subject="refund:re_1", state=Difference.State.OPEN)
    assert "1 difference between ledger and Stripe" in page_of(grace_client)


def test_the_overview_says_how_its_figures_differ_from_the_books(grace_client: Client, order: Order) -> None:
    assert "by the day a refund was decided" in page_of(grace_client)
