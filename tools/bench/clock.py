"""Times requests of the desk beside a yardstick, one after the other, so that a busy machine slows both."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from django.db import connection
from django.test import Client

from tools.bench.figures import Times

ROUNDS, FEWEST, SECONDS = 30, 8, 3.0
"""How often each request is timed, and after how long a slow one is not timed again."""
SQL_ROUNDS = 5
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Asked:
    """A request that can be sent again and again."""

    path: str
    headers: Mapping[str, str] | None = None
    data: Mapping[str, Any] | None = None
    """Sent by POST, where there is any."""
    status: int = 200

    def send(self, client: Client) -> Any:
        """Send it, and make sure that it is answered as expected."""
        send = client.get if self.data is None else client.post
        response = send(self.path, self.data, headers=self.headers)
        if response.status_code != self.status:
            raise SystemExit(f"{self.path} answered {response.status_code} instead of {self.status}")
        return response


@dataclass
class Cost:
    """What a request takes, and what the yardstick took at the same time."""

    times: Times
    beside: Times
    queries: int
    sql_ms: float
    html: bytes
    peak_mb: float

    @property
    def ratio(self) -> float:
        """How many times the yardstick."""
        return self.times.median / self.beside.median

    @property
    def zipped(self) -> int:
        """Bytes on the wire."""
        return len(gzip.compress(self.html, 6, mtime=0))


def cost_of(client: Client, asked: Asked, yardstick: Asked | None = None, by: Client | None = None) -> Cost:
    """Time a request, and between its rounds the yardstick, which somebody else may ask for."""
    html = asked.send(client).content
    peak = peak_while(lambda: asked.send(client))
    queries, sql = _queries_of(client, asked)
    times, beside = Times(), Times()
    until = perf_counter() + SECONDS
    while len(times.values) < ROUNDS and (len(times.values) < FEWEST or perf_counter() < until):
        times.values.append(milliseconds(lambda: asked.send(client)))
        if yardstick is not None:
            beside.values.append(milliseconds(lambda: yardstick.send(by or client)))
    return Cost(times, beside, queries, sql, html, peak)


def milliseconds(action: Callable[[], Any]) -> float:
    """How long something takes."""
    start = perf_counter()
    action()
    return (perf_counter() - start) * 1000


def _queries_of(client: Client, asked: Asked) -> tuple[int, float]:
    """How many statements a warm request runs, and how long the database took over them."""
    spent: list[list[float]] = []

    def stopwatch(execute: Any, *arguments: Any) -> Any:
        start = perf_counter()
        try:
            return execute(*arguments)
        finally:
            spent[-1].append((perf_counter() - start) * 1000)

    for _round in range(SQL_ROUNDS):
        spent.append([])
        with connection.execute_wrapper(stopwatch):
            asked.send(client)
    return len(spent[-1]), Times([sum(each) for each in spent]).median


def peak_while(action: Callable[[], Any]) -> float:
    """How far memory rose above what it was, in MB; nothing where the system does not tell."""
    if not CLEAR.exists():
        return 0.0
    CLEAR.write_text("5")  # The highest mark starts anew.
    before = memory_mb("VmRSS")
    action()
    return max(memory_mb("VmHWM") - before, 0.0)


def memory_mb(name: str, status: Path = STATUS) -> float:
    """A figure of a process's memory in MB."""
    for line in status.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0
