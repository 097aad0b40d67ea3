"""Where seasons are kept: one database for each size, made anew when what fills it has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg

from tests.postgres import server_url

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "var" / "bench"
FILLED_BY = ("registration/migrations", "registration/triggers", "registration/models", "tools/bench")
SERVER = """
shared_buffers = 256MB
max_wal_size = 4GB
max_connections = 100
"""
"""As PostgreSQL comes, with room for its buffers. Nothing that makes writes quicker than they are in production."""


def stamp() -> str:
    """Changes with whatever decides what a season looks like."""
    digest = sha256()
    for folder in FILLED_BY:
        for path in sorted((ROOT / folder).glob("*")):
            if path.suffix in (".py", ".sql"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


@contextmanager
def database(kind: str, orders: int, folder: Path, *, keep: bool) -> Iterator[str]:
    """The address of a database for a season of this size.

    Args:
        kind: ``sqlite`` or ``postgresql``.
        orders: How many orders it is for.
        folder: Where files go.
        keep: Leave it for the next run, and use what an earlier run left.
    """
    name = f"bench_{orders}_{stamp()}"
    chosen = _sqlite(folder / f"{name}.sqlite3", keep) if kind == "sqlite" else _postgresql(folder, name, keep)
    with chosen as address:
        yield address


@contextmanager
def _sqlite(path: Path, keep: bool) -> Iterator[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    yield f"sqlite:///{path}"
    if not keep:
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()


@contextmanager
def _postgresql(folder: Path, name: str, keep: bool) -> Iterator[str]:
    server = server_url(folder, SERVER)
    with psycopg.connect(server, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not known:
            connection.execute(f"CREATE DATABASE {name}")
        yield f"{server.rsplit('/', 1)[0]}/{name}"
        if not keep:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
