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
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

LANES = 2
FAILURES = ("doubled", "lost", "differences")


def main() -> int:
    """Torture one database after the other; 1 when the promise was broken."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # So that the lanes end with us.
    runs, seed = int(os.environ.get("RUNS") or 20), int(os.environ.get("SEED") or 1)
    chosen = os.environ.get("DB") or "both"
    numbers = [int(os.environ["RUN"])] if os.environ.get("RUN") else list(range(1, runs + 1))
    total: Counter[str] = Counter()
    broken = False
    for name in ("sqlite", "postgresql") if chosen == "both" else (chosen,):
        start = time.monotonic()
        folder = tempfile.mkdtemp(prefix="refund-desk-torture-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # After a server in it has stopped.
        counts, failed = torture(Path(folder), name, seed, numbers)
        broken |= failed
        total.update(counts)
        print(f"{name}, seed {seed}, {time.monotonic() - start:.0f} s: {summary(counts)}", flush=True)
    print(summary(total))
    return int(broken or any(total[name] for name in FAILURES))


def torture(folder: Path, database: str, seed: int, numbers: list[int]) -> tuple[Counter[str], bool]:
    """Share the runs among the lanes; returns the counts, and whether a lane broke down."""
    server = ""
    if database == "postgresql":
        from tests.postgres import server_url

        server = server_url(folder)
    lanes = [lane for number in range(LANES) if (lane := numbers[number::LANES])]
    urls = [
        fresh_database(server, number) if server else f"sqlite:///{folder / f'torture-{number}.sqlite3'}"
        for number in range(len(lanes))
    ]
    started = [start(folder / f"lane-{n}", urls[n], seed, lane) for n, lane in enumerate(lanes)]
    try:
        return gather(folder, database, started)
    finally:
        for process in started:
            process.terminate()
            process.wait()
        if server:
            drop(server, urls)


def gather(folder: Path, database: str, started: "list[subprocess.Popen[str]]") -> tuple[Counter[str], bool]:
    """Wait for the lanes, show what they found, and add up what they counted."""
    counts: Counter[str] = Counter()
    broken = False
    with ThreadPoolExecutor(len(started)) as readers:
        last_lines = list(readers.map(lambda process: show(database, process), started))
    for number, (process, last) in enumerate(zip(started, last_lines, strict=True)):
        if process.wait():
            broken = True
            log = (folder / f"lane-{number}" / "lane.log").read_text(encoding="utf-8", errors="replace")
            print(f"{last}\n{log[-3000:]}")
        else:
            counts.update(json.loads(last))
    return counts, broken


def show(database: str, process: "subprocess.Popen[str]") -> str:
    """Print what a lane finds when it finds it; returns its last line, the counts."""
    last = ""
    for line in process.stdout or ():
        if last:
            print(f"{database} {last}", flush=True)
        last = line.rstrip("\n")
    return last


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
