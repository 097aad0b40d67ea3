"""The desk through its real server: many clients at once, a worker's memory, and the file of all orders."""

from __future__ import annotations

import csv
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any

from django.db import connection

from dashboard.lists.export import COLUMNS
from tools.bench.clock import memory_mb
from tools.bench.figures import Times

CLIENTS, SECONDS, WARM = 8, 6.0, 12
PATIENCE = 60.0
BLOCK = 1 << 16


class Server:
    """A running web server with workers of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, session: str) -> None:
        self.process, self.port, self.session = process, port, session

    def open(self, path: str, client: http.client.HTTPConnection | None = None) -> http.client.HTTPResponse:
        """Ask for a page as the member of staff who is signed in."""
        client = client or self.client()
        client.request("GET", path, headers={"Cookie": f"sessionid={self.session}", "Host": "127.0.0.1"})
        return client.getresponse()

    def client(self) -> http.client.HTTPConnection:
        """A connection that stays open between requests."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def memory(self, name: str) -> float:
        """A figure of the first worker's memory in MB."""
        return memory_mb(name, Path(f"/proc/{self.workers[0]}/status"))

    def forget_peak(self) -> float:
        """Let the first worker's highest mark start anew; returns what it uses now."""
        Path(f"/proc/{self.workers[0]}/clear_refs").write_text("5")
        return self.memory("VmRSS")


@contextmanager
def serve(workers: int, session: str) -> Iterator[Server]:
    """Start gunicorn as in production, with this many workers, and stop it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", str(workers), "--access-logfile", "/dev/null", "--log-level", "warning"]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tools.bench.settings"}
    process = subprocess.Popen([*command, "tools.bench.wsgi"], env=environment)
    try:
        server = Server(process, port, session)
        _wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(server: Server) -> None:
    until = perf_counter() + PATIENCE
    while perf_counter() < until:
        try:
            if server.open("/healthz").status == http.client.OK:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The web server did not start.")


def load(server: Server, path: str) -> tuple[float, Times]:
    """Let the clients ask for a page again and again; returns requests per second, and how long each took."""
    _all_ask(server, path, seconds=0, fewest=WARM)  # Every thread of every worker has drawn it once.
    start = perf_counter()
    times = _all_ask(server, path, SECONDS)
    return len(times.values) / (perf_counter() - start), times


def _all_ask(server: Server, path: str, seconds: float, fewest: int = 0) -> Times:
    times: list[Times] = [Times() for _client in range(CLIENTS)]
    until = perf_counter() + seconds
    threads = [Thread(target=_ask, args=(server, path, each, until, fewest)) for each in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Times([value for each in times for value in each.values])


def _ask(server: Server, path: str, times: Times, until: float, fewest: int) -> None:
    client = server.client()
    while (start := perf_counter()) < until or len(times.values) < fewest:
        server.open(path, client).read()
        times.values.append((perf_counter() - start) * 1000)
    client.close()


def read_file(server: Server, path: str) -> tuple[float, float, float]:
    """Download a file; returns seconds to its first row, rows per second, and the worker's peak over idle in MB."""
    server.open("/orders/").read()
    idle, start, lines, first = server.forget_peak(), perf_counter(), 0, 0.0
    response = server.open(path)
    while block := response.read1(BLOCK):
        lines += block.count(b"\n")
        if not first and lines > 1:
            first = perf_counter() - start
    return first, (lines - 1) / (perf_counter() - start), server.memory("VmHWM") - idle


def bare_rows_per_second(order_by: str) -> float:
    """How quickly a bare cursor writes the same rows as CSV."""
    query = f"SELECT {', '.join(COLUMNS.values())} FROM registration_order ORDER BY {order_by}"
    rows, start = 0, perf_counter()
    for block in _blocks(query):
        text = StringIO()
        csv.writer(text).writerows(block)
        rows += len(block)
    return rows / (perf_counter() - start)


def _blocks(query: str) -> Iterator[list[Any]]:
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        raw: Any = connection.connection
        with raw.transaction(), raw.cursor("bare") as cursor:
            cursor.execute(query)
            while block := cursor.fetchmany(1000):
                yield block
        return
    with connection.cursor() as cursor:
        cursor.execute(query)
        while block := cursor.fetchmany(1000):
            yield block


def seconds_until_stopped(server: Server, path: str) -> float:
    """How long the database still works for somebody who closed the download after a moment."""
    client = server.client()
    server.open(path, client).read1(BLOCK)
    client.close()
    start = perf_counter()
    while _busy() and perf_counter() - start < PATIENCE:
        time.sleep(0.05)
    return perf_counter() - start


def _busy() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state <> 'idle' AND backend_type = 'client backend'"
        )
        return bool(cursor.fetchone()[0])
