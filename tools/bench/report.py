"""One table of all figures: on the terminal, as ``bench/latest.json`` and in ``docs/performance.md``."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import django
import psycopg

from tools.bench.figures import Row, Target

ROOT = Path(__file__).resolve().parents[2]
LATEST, PAGE = ROOT / "bench" / "latest.json", ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"
SMALL, MIDDLE, BIG = 10_000, 100_000, 1_000_000
GROWTH, AS_QUICK = Target(1.2, "at most 1.2 times"), Target(1.5, "at most 1.5 times")

Key = tuple[str, int, str]


def merged(new: list[Row]) -> list[Row]:
    """The latest figures of every size and database: a part that was measured again replaces its own."""
    parts = {(row.orders, row.database) for row in new}
    old = json.loads(LATEST.read_text())["rows"] if LATEST.exists() else []
    kept = [Row(**row) for row in old if (row["orders"], row["database"]) not in parts]
    rows = [row for row in [*kept, *new] if not row.page.startswith(ACROSS)]
    rows.sort(key=lambda row: (row.database, -row.orders))
    return [*across(rows), *rows]


ACROSS = "Across parts: "


def across(rows: list[Row]) -> list[Row]:
    """What is compared between sizes and databases."""
    known = {(row.page, row.orders, row.database): row for row in rows}
    found = []
    for page in ("Orders, first page", "verify_ledger: peak memory, MB"):
        for database in ("postgresql", "sqlite"):
            words = f"{ACROSS}{page}, 1,000,000 against 10,000 orders"
            found.append(_compared(known, words, (page, BIG, database), (page, SMALL, database), GROWTH))
    for page in sorted(
        {row.page for row in rows if row.page.startswith(("Orders, first page", "Search, ")) and row.median_ms}
    ):
        words = f"{ACROSS}{page}, SQLite against PostgreSQL"
        found.append(_compared(known, words, (page, MIDDLE, "sqlite"), (page, MIDDLE, "postgresql"), AS_QUICK))
    return [row for row in found if row]


def _compared(known: dict[Key, Row], words: str, one: Key, other: Key, target: Target) -> Row | None:
    first, second = known.get(one), known.get(other)
    if not first or not second:
        return None
    figures = (first.median_ms, second.median_ms) if first.median_ms else (first.ratio, second.ratio)
    ratio = round((figures[0] or 0) / (figures[1] or 1), 2)
    return Row(words, one[1], one[2], ratio=ratio).judge(target)


def machine() -> str:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**9
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory} GB, Python {platform.python_version()}, "
        f"Django {django.__version__}, psycopg {psycopg.__version__}, SQLite {sqlite3.sqlite_version}, "
        f"{date.today().isoformat()}"  # noqa: DTZ011 - the day where it was measured.
    )


def save(rows: list[Row]) -> None:
    """Write the table for programs and for people."""
    LATEST.parent.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=1)
    LATEST.write_text(text + "\n")
    page = PAGE.read_text()
    head, _old, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    PAGE.write_text(f"{head}{BEGIN}\n\n{markdown(rows, machine())}\n{END}{tail}")


def markdown(rows: list[Row], measured_on: str) -> str:
    """The figures as Markdown, the missed ones first."""
    missed = [row for row in rows if row.met is False]
    judged = [row for row in rows if row.met is not None]
    lines = [f"{measured_on}. {len(judged) - len(missed)} of {len(judged)} targets met.", ""]
    if missed:
        lines += ["### Missed", "", *_table(missed), ""]
    for orders, database in sorted({(row.orders, row.database) for row in rows}, key=lambda part: (part[1], -part[0])):
        mine = [row for row in rows if (row.orders, row.database) == (orders, database)]
        lines += [f"### {orders:,} orders, {NAMES[database]}", "", *_table(mine), ""]
    return "\n".join(lines)


NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
HEADINGS = (
    "page",
    "orders",
    "database",
    "median ms",
    "p95 ms",
    "queries",
    "SQL ms",
    "HTML kB",
    "figure",
    "target",
    "met",
)


def _table(rows: list[Row]) -> list[str]:
    lines = [f"| {' | '.join(HEADINGS)} |", "| --- " + "| --: " * 8 + "| --- | --- |"]
    for row in rows:
        html = "" if row.html_bytes is None else f"{row.html_bytes / 1000:.1f}"
        numbers = (row.median_ms, row.p95_ms, row.queries, row.sql_ms)
        met = {None: "", True: "yes", False: "**no**"}[row.met]
        cells: list[Any] = [row.page, f"{row.orders:,}", NAMES[row.database], *map(_number, numbers), html]
        cells += [_number(row.ratio), row.target, met]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}".removesuffix(".00")
