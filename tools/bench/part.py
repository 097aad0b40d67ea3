"""One size on one database, in a process of its own: ``python -m tools.bench.part 10000 rows.json``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tools.bench.settings"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from registration.models import Conference, Order  # noqa: E402
from tools.bench import calls, web  # noqa: E402
from tools.bench.clock import Asked, Cost, cost_of  # noqa: E402
from tools.bench.figures import Row, Target, Times, percentile  # noqa: E402
from tools.bench.pages import (  # noqa: E402
    FLOORS,
    Page,
    Samples,
    list_pages,
    listing,
    other_pages,
    remaining_pages,
    search_forms,
)
from tools.bench.season import STAFF, build  # noqa: E402

FLOOR, FIRST, ADMIN = Asked("/bench/floor/"), Asked(listing()), "/bench/admin/registration/order/"
BIG = 1_000_000
ADMIN_SORTED_BY_REFUNDABLE = "?o=-6"
ROWS_KB, ROWS_ZIPPED_KB = Target(40, "at most 40 kB"), Target(6, "at most 6 kB")


class Part:
    """The figures of one size on one database."""

    def __init__(self, orders: int) -> None:
        self.orders, self.database = orders, connection.vendor
        self.rows: list[Row] = []
        self.peaks: dict[str, float] = {}
        self.pages: list[Page] = []
        self.staff = _staff(STAFF[0])
        self.client, self.plain, self.admin = Client(), Client(), Client()
        self.client.force_login(self.staff)
        self.plain.force_login(self.staff, settings.PLAIN)
        self.admin.force_login(_staff("bench-admin", is_staff=True, is_superuser=True))

    def add(self, page: str, target: Target | None = None, **figures: Any) -> Row:
        """Keep a figure and say it."""
        row = Row(page, self.orders, self.database, **figures).judge(target)
        self.rows.append(row)
        shown = "" if row.ratio is None else f"{row.ratio:10.2f}"
        times = "" if row.median_ms is None else f"{row.median_ms:9.1f} ms"
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        print(f"  {page[:60]:<60}{times:>12}{shown:>11}  {row.target:<28}{verdict}", flush=True)
        return row

    def add_cost(self, page: str, cost: Cost, target: Target | None = None, ratio: float | None = None) -> Row:
        """Keep what a request takes."""
        self.peaks[page] = cost.peak_mb
        return self.add(
            page,
            target,
            median_ms=round(cost.times.median, 2),
            p95_ms=round(cost.times.p95, 2),
            queries=cost.queries,
            sql_ms=round(cost.sql_ms, 2),
            html_bytes=len(cost.html),
            ratio=ratio,
        )

    def measure(self) -> None:
        """Everything; what writes comes last, and the books must still agree afterwards."""
        samples = Samples()
        self.measure_floor()
        self.measure_pages(samples)
        self.measure_searches(samples)
        self.measure_admin()
        self.measure_server()
        self.measure_file()
        self.measure_calls()
        self.measure_ledger()

    def measure_floor(self) -> None:
        """The yardstick that most targets speak of."""
        self.add_cost("Floor F: 25 rows by the ORM, plain template", cost_of(self.plain, FLOOR), ratio=1.0)

    def measure_pages(self, samples: Samples) -> None:
        """Every page beside the floor, or beside the list's first page."""
        named = [*list_pages(samples), *other_pages(samples, self.shown())]
        covered = {"order_list", "order_row", "changes", "order_detail", "attendee_detail", "attendee_search"}
        others = remaining_pages(samples, covered | {"refund_preview"})
        self.pages = [*named, *(page for page in others if self._can_be_looked_at(page))]
        for page in self.pages:
            self.measure_page(page)
        worst, peak = max(self.peaks.items(), key=lambda item: item[1])
        self.add(f"Largest peak memory of a request over idle, MB ({worst})", ratio=round(peak, 1))

    def _can_be_looked_at(self, page: Page) -> bool:
        """Whether it answers a GET with a page; files are measured apart."""
        response = self.client.get(page.asked.path)
        if response.status_code not in (200, 286, 302, 403, 405):
            print(f"  {page.name}: not measured, it answers {response.status_code}", flush=True)
        return response.status_code == 200 and not response.streaming

    def shown(self) -> str:
        """The page of orders as HTML."""
        html: str = self.client.get(FIRST.path).content.decode()
        return html

    def measure_page(self, page: Page) -> None:
        """One page, and how it keeps to its number of queries."""
        if page.against_first:
            cost = cost_of(self.client, page.asked, FIRST)
        else:
            cost = cost_of(self.client, page.asked, FLOOR, by=self.plain)
        self.add_cost(page.name, cost, page.target, round(cost.ratio, 2))
        if page.most_queries:
            target = Target(page.most_queries, f"at most {page.most_queries} queries")
            self.add(f"{page.name}: queries", target, ratio=float(cost.queries))
        if page.asked is not FIRST and page.asked.path == FIRST.path and page.asked.headers is None:
            rows = cost.html[cost.html.index(b"<tbody") : cost.html.index(b"</tbody>")]
            self.add("Orders, first page: HTML of the rows, kB", ROWS_KB, ratio=round(len(rows) / 1000, 1))
            zipped = Cost(cost.times, cost.beside, 0, 0, rows, 0).zipped
            self.add("Orders, first page: the rows gzipped, kB", ROWS_ZIPPED_KB, ratio=round(zipped / 1000, 1))

    def measure_searches(self, samples: Samples) -> None:
        """Each form of search beside the floor, and beside the same search in the admin."""
        for words, text in search_forms(samples).items():
            asked = Asked(listing(q=text))
            cost = cost_of(self.client, asked, FLOOR, by=self.plain)
            self.add_cost(f"Search, {words}", cost, FLOORS["search"], round(cost.ratio, 2))
            if words.startswith(("Stripe", "card")):
                continue  # The yardstick searches no payments.
            admin = self.cost_in_admin(f"?q={text.replace('@', '%40').replace(' ', '+')}")
            self.add_cost(
                f"Admin yardstick, search {words}", admin, ratio=round(admin.times.median / cost.beside.median, 2)
            )
            target = Target(30, "at least 30 times", at_least=True) if self.orders >= BIG else None
            times = admin.times.median / cost.times.median
            self.add(f"Search, {words}: times faster than the admin", target, ratio=round(times, 1))

    def measure_admin(self) -> None:
        """What one would build in an hour."""
        for words, query in (
            ("first page", ""),
            ("sorted by refundable", ADMIN_SORTED_BY_REFUNDABLE),
            ("paid", "?status__exact=PAID"),
        ):
            cost = self.cost_in_admin(query, FLOOR)
            self.add_cost(f"Admin yardstick, {words}", cost, ratio=round(cost.ratio, 2))

    def cost_in_admin(self, query: str, yardstick: Asked | None = None) -> Cost:
        """What the admin takes, with the parallel plans that PostgreSQL comes with: our settings do not slow a peer."""
        with parallel_plans():
            return cost_of(self.admin, Asked(ADMIN + query), yardstick, by=self.plain)

    def measure_server(self) -> None:
        """Many clients at the real server, and what a worker keeps after every page."""
        session = self.client.cookies["sessionid"].value
        with web.serve(2, session) as server:
            rates = {}
            plain = self.plain.cookies["sessionid"].value
            for words, path, server.session in (("floor", FLOOR.path, plain), ("orders list", FIRST.path, session)):
                rates[words], times = web.load(server, path)
                tail = percentile(times.values, 99) / times.median
                target = Target(10, "p99 under 10 medians") if words == "orders list" else None
                name = f"2 workers, 8 clients, {words}: p99 in medians"
                self.add(
                    name, target, median_ms=round(times.median, 2), p95_ms=round(times.p95, 2), ratio=round(tail, 2)
                )
                self.add(f"2 workers, 8 clients, {words}: requests per second", ratio=round(rates[words], 1))
            share = rates["orders list"] / rates["floor"]
            target = Target(1 / 3, "at least a third of F's", at_least=True)
            self.add(
                "2 workers, 8 clients, orders list: requests per second against F's", target, ratio=round(share, 2)
            )
        with web.serve(1, session) as server:
            for _round in range(2):
                for page in self.pages:
                    if page.asked.data is None:
                        server.open(page.asked.path).read()
            target = Target(110, "at most 110 MB")
            self.add("Web worker after serving every page, MB", target, ratio=round(server.memory("VmRSS"), 1))

    def measure_file(self) -> None:
        """The file of all orders, in the list's own order and in one of the other sorts."""
        with web.serve(1, self.client.cookies["sessionid"].value) as server:
            for words, sort, order_by in (
                ("newest first", "age", "created_at DESC, id DESC"),
                ("by refundable", "-refundable", "refundable_amount DESC, id DESC"),
            ):
                first, rate, peak = web.read_file(server, f"/orders/export/?sort={sort}")
                target = Target(1000, "at most 1,000 ms")
                self.add(f"File of all orders, {words}: first row, ms", target, ratio=round(first * 1000, 1))
                target = Target(60, "at most 60 MB")
                self.add(f"File of all orders, {words}: peak over idle, MB", target, ratio=round(peak, 1))
                share = rate / web.bare_rows_per_second(order_by)
                target = Target(1 / 3, "at least a third of a bare cursor's", at_least=True)
                self.add(
                    f"File of all orders, {words}: rows per second against a bare cursor", target, ratio=round(share, 2)
                )
                self.add(f"File of all orders, {words}: rows per second", ratio=round(rate))
            if self.database == "postgresql":
                stopped = web.seconds_until_stopped(server, "/orders/export/") * 1000
                target = Target(2000, "at most 2,000 ms")
                self.add(
                    "File of all orders, closed by its reader: query stops after ms", target, ratio=round(stopped, 1)
                )

    def measure_calls(self) -> None:
        """The two published services beside the same rows by the ORM alone."""
        for words, measure in (
            ("create_refund without Stripe's time", calls.refunds_beside_rows),
            ("apply_credit_as_refund", calls.credits_beside_rows),
        ):
            ours, bare = measure(self.staff)
            self.add_times(f"The rows of {words.split()[0]}, bare ORM", bare)
            target = Target(5, "at most 5 times the bare ORM")
            self.add_times(words, ours, target, ours.median / bare.median)

    def add_times(self, page: str, times: Times, target: Target | None = None, ratio: float | None = None) -> None:
        """Keep how long something takes that is no page."""
        figures = {"median_ms": round(times.median, 2), "p95_ms": round(times.p95, 2)}
        self.add(page, target, ratio=None if ratio is None else round(ratio, 2), **figures)

    def measure_ledger(self) -> None:
        """The proof of the books: whole, as the command runs it."""
        command = [sys.executable, "-m", "tools.bench.ledger"]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if process.returncode:
            raise SystemExit("The books of the season do not add up.")
        seconds, peak = json.loads(process.stdout)
        target = Target(50_000, "at least 50,000 orders per second", at_least=True)
        self.add("verify_ledger: orders per second", target, ratio=round(Order.objects.count() / seconds))
        self.add("verify_ledger: peak over idle, MB", ratio=round(peak, 1))


def _staff(name: str, **fields: Any) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model()._default_manager.get_or_create(username=name, defaults=fields)[0]


@contextmanager
def parallel_plans() -> Iterator[None]:
    """Let PostgreSQL start processes for a statement, which our own connections do without."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 2")
        yield
        cursor.execute("RESET max_parallel_workers_per_gather")


def prepare(orders: int) -> None:
    """Make the tables and fill them, unless an earlier run kept them."""
    call_command("migrate", verbosity=0)
    if Conference.objects.exists():
        return
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA foreign_keys=OFF")
            cursor.execute("PRAGMA synchronous=OFF")
    build(orders, now=timezone.now(), progress=True)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    connection.close()


def main(orders: int, result: Path) -> None:
    """Build, measure, and leave the rows in a file."""
    prepare(orders)
    part = Part(orders)
    part.measure()
    result.write_text(json.dumps([asdict(row) for row in part.rows]))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
