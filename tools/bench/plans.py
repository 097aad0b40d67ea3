"""Whether a page reads what it shows or a whole table: how much each of its statements had to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.test import Client

from tools.bench.clock import Asked

MOST_ROWS = 6_000
"""How many rows of a table one statement may read: what it shows, and chips that count up to a thousand each."""
MOST_STEPS = 1_000_000
"""How many steps SQLite's machine may take for one statement; walking 100,000 rows takes more."""
STEP = 1_000
SHOWN = 1_500


def faults(client: Client, asked: Asked) -> Iterator[str]:
    """Ask for a page once more, and say which of its statements reads too much."""
    statements: list[tuple[str, Any]] = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        asked.send(client)
    judge = _read_by_postgresql if connection.vendor == "postgresql" else _read_by_sqlite
    for sql, params in statements:
        for fault in judge(sql, params):
            yield f"{fault}: {sql[:SHOWN]} with {params}"


def _read_by_postgresql(sql: str, params: Any) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0]
    nodes = json.loads(plan) if isinstance(plan, str) else plan
    for node in _nodes(nodes[0]["Plan"]):
        removed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        rows = round((node["Actual Rows"] + removed) * node["Actual Loops"])
        if "Scan" in node["Node Type"] and rows > MOST_ROWS:
            yield f"reads {rows:,} rows of {node.get('Relation Name') or node.get('Index Name')}"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _read_by_sqlite(sql: str, params: Any) -> Iterator[str]:
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += STEP
        return 0

    with connection.cursor() as cursor:
        raw: Any = connection.connection
        raw.set_progress_handler(count, STEP)
        cursor.execute(sql, params)
        cursor.fetchall()
        raw.set_progress_handler(None, 0)
    if taken > MOST_STEPS:
        yield f"takes {taken:,} steps"
