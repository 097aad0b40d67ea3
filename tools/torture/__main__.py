"""``make torture``: RUNS, SEED and DB choose how many, which and where; RUN repeats one run of a seed."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

FAILURES = ("doubled", "lost", "differences")
COLUMNS = (
    "runs",
    "kills",
    "boundaries",
    "refunds",
    "by_form",
    "credits",
    "external",
    "failed",
    "disputes",
    "repaired",
    *FAILURES,
)


@dataclass
class Result:
    """What the lanes of one database counted.

    Attributes:
        counts: By name; ``repaired`` is what only the comparison with Stripe could find, for its events were lost.
        struck: The boundaries at which a process ended.
        broken: Whether a lane broke down, so that its runs are missing.
        seconds: How long it took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    struck: set[str] = field(default_factory=set)
    broken: bool = False
    seconds: float = 0.0


def main() -> int:
    """Torture one database after the other; 1 when the promise was broken."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # So that the lanes end with us.
    runs, seed = int(os.environ.get("RUNS") or 20), int(os.environ.get("SEED") or 1)
    chosen = os.environ.get("DB") or "both"
    numbers = [int(os.environ["RUN"])] if os.environ.get("RUN") else list(range(1, runs + 1))
    results: dict[str, Result] = {}
    for name in ("sqlite", "postgresql") if chosen == "both" else (chosen,):
        start = time.monotonic()
        folder = tempfile.mkdtemp(prefix="refund-desk-torture-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # After a server in it has stopped.
        results[name] = torture(Path(folder), name, seed, numbers)
        results[name].seconds = time.monotonic() - start
        print(f"{name}, seed {seed}: {summary(results[name].counts)}", flush=True)
    total = sum((result.counts for result in results.values()), Counter[str]())
    print(f"\n{table(results)}\n\n{summary(total)}")
    complete = total["runs"] == len(numbers) * len(results)
    return int(not complete or any(result.broken for result in results.values()) or any(map(total.get, FAILURES)))


def torture(folder: Path, database: str, seed: int, numbers: list[int]) -> Result:
    """Share the runs among the lanes."""
    server = ""
    if database == "postgresql":
        from tests.postgres import server_url

        server = server_url(folder)
    count = int(os.environ.get("LANES") or 2)
    lanes = [lane for number in range(count) if (lane := numbers[number::count])]
    urls = [
        fresh_database(server, number) if server else f"sqlite:///{folder / f'torture-{number}.sqlite3'}"
        for number in range(len(lanes))
    ]
    started = [start(folder / f"lane-{n}", urls[n], seed, lane) for n, lane in enumerate(lanes)]
    try:
        return gather(folder, database, started)
    finally:
        for process in started:
            end(process)
        if server:
            drop(server, urls)


def end(process: "subprocess.Popen[str]") -> None:
    """Ask until it has ended: what a signal raises is lost when it strikes where exceptions cannot go."""
    while process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)


def gather(folder: Path, database: str, started: "list[subprocess.Popen[str]]") -> Result:
    """Wait for the lanes, show what they found, and add up what they counted."""
    result = Result()
    with ThreadPoolExecutor(len(started)) as readers:
        try:
            last_lines = list(readers.map(lambda process: show(database, process), started))
        except BaseException:
            for process in started:  # Or the readers would wait for lanes that nobody has told to end.
                process.terminate()
            raise
    for number, (process, last) in enumerate(zip(started, last_lines, strict=True)):
        if process.wait() or not last:
            result.broken = True
            log = (folder / f"lane-{number}" / "lane.log").read_text(encoding="utf-8", errors="replace")
            print(f"{database}, lane {number} broke down:\n{log[log.rfind('Traceback') :][:5000]}", flush=True)
        else:
            counted = json.loads(last)
            result.counts.update(counted["counts"])
            result.struck.update(counted["struck"])
    result.counts["boundaries"] = len(result.struck)
    return result


def show(database: str, process: "subprocess.Popen[str]") -> str:
    """Print what a lane finds when it finds it; returns the line with its counts."""
    last = ""
    for line in process.stdout or ():
        if line.startswith("{"):
            last = line
        else:
            print(f"{database} {line}", end="", flush=True)
    return last


def table(results: dict[str, Result]) -> str:
    """A row per database."""
    rows = [["database", *COLUMNS, "seconds"]]
    for name, result in results.items():
        rows.append([name, *(str(result.counts[column]) for column in COLUMNS), f"{result.seconds:.0f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def start(folder: Path, url: str, seed: int, runs: list[int]) -> "subprocess.Popen[str]":
    """Start a lane on its database."""
    folder.mkdir()
    environment = os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "DEMO_MODE": "1",
        "DEBUG": "0",
        "HTTPS": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECRET_KEY": "only-for-the-torture-" + "x" * 40,
    }
    command = [sys.executable, "-m", "tools.torture.lane", str(folder), "--seed", str(seed), "--runs", *map(str, runs)]
    with (folder / "lane.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)


def fresh_database(server: str, number: int) -> str:
    """Make a database on the server; returns its address."""
    import psycopg

    name = f"torture_{os.getpid()}_{number}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{name}"))


def drop(server: str, urls: list[str]) -> None:
    """Leave nothing behind on a server that is not ours."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for url in urls:
            name = urlsplit(url).path.lstrip("/")
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]


def summary(counts: Counter[str]) -> str:
    """The one line that everything is about."""
    names = ("runs", "kills", "refunds", "credits", *FAILURES)
    return " ".join(f"{name}={counts[name]}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
