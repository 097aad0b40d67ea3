"""Records in SQLite, in memory or in a file, behind one lock.

A record is a small dict with an ``id``; ``objects.py`` turns it into what Stripe sends. The file survives a killed
process: whatever was answered had been committed before.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]

# Fields of records that lists can be filtered by; each is a column.
COLUMNS = ("created", "charge", "payment_intent", "customer", "type", "source", "email", "currency", "status")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    created INTEGER, charge TEXT, payment_intent TEXT, customer TEXT, type TEXT, source TEXT, email TEXT,
    currency TEXT, status TEXT, body TEXT NOT NULL, UNIQUE (account, kind, id));
CREATE INDEX IF NOT EXISTS by_created ON records (account, kind, created, seq);
CREATE INDEX IF NOT EXISTS by_charge ON records (account, kind, charge, created) WHERE charge IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_intent ON records (account, kind, payment_intent, created)
    WHERE payment_intent IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_source ON records (account, kind, source, created) WHERE source IS NOT NULL;
CREATE INDEX IF NOT EXISTS pending_refunds ON records (account) WHERE kind = 'refund' AND status = 'pending';
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS idempotency (
    account TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    request_id TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (account, key));
CREATE TABLE IF NOT EXISTS outcomes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, due INTEGER NOT NULL, action TEXT NOT NULL,
    target TEXT NOT NULL, argument TEXT);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    due INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'pending', answer TEXT);
CREATE INDEX IF NOT EXISTS by_state ON deliveries (state, due);
CREATE INDEX IF NOT EXISTS by_event ON deliveries (event);
"""

_UPSERT = (
    f"INSERT INTO records (account, kind, id, {', '.join(COLUMNS)}, body)"
    f" VALUES ({', '.join('?' * (len(COLUMNS) + 4))}) ON CONFLICT (account, kind, id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in (*COLUMNS, "body"))
)


class Store:
    """All state of the sandbox.

    Args:
        path: The SQLite file, or None to keep everything in memory.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(str(path or ":memory:"), check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        with self.lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock and make everything inside one commit; nested use joins the outer one."""
        with self.lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    @contextmanager
    def undo_on(self, undone: Callable[[Exception], bool]) -> Iterator[None]:
        """Undo what happens inside, but not the transaction around it, for the errors that ask for it."""
        self._connection.execute("SAVEPOINT step")
        try:
            yield
        except Exception as error:
            if undone(error):
                self._connection.execute("ROLLBACK TO step")
            self._connection.execute("RELEASE step")
            raise
        self._connection.execute("RELEASE step")

    def execute(self, sql: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Run one statement under the lock and return its rows."""
        with self.lock:
            return self._connection.execute(sql, tuple(values)).fetchall()

    def get(self, account: str, kind: str, identifier: str) -> Record | None:
        """Return one record, or None."""
        rows = self.execute(
            "SELECT body FROM records WHERE account = ? AND kind = ? AND id = ?", (account, kind, identifier)
        )
        return _load(rows[0]) if rows else None

    def put(self, account: str, kind: str, record: Record) -> None:
        """Insert or replace one record."""
        self.execute(_UPSERT, _row(account, kind, record))

    def put_many(self, account: str, rows: Iterable[tuple[str, Record]]) -> None:
        """Insert or replace many records at once, given as (kind, record)."""
        with self.transaction():
            self._connection.executemany(_UPSERT, (_row(account, kind, record) for kind, record in rows))

    def delete(self, account: str, kind: str, identifier: str) -> None:
        """Remove one record."""
        self.execute("DELETE FROM records WHERE account = ? AND kind = ? AND id = ?", (account, kind, identifier))

    def find(
        self,
        account: str,
        kind: str,
        *,
        conditions: Iterable[tuple[str, Any]] = (),
        limit: int | None = None,
        oldest_first: bool = False,
        **equals: Any,
    ) -> list[Record]:
        """Return records, newest first unless told otherwise.

        Args:
            account: The account that owns them.
            kind: The kind of record.
            conditions: Further SQL conditions with their values, written by this package only.
            limit: At most so many.
            oldest_first: Reverse the order.
            **equals: Columns of ``COLUMNS`` that must equal a value.
        """
        sql, values = ["account = ?", "kind = ?"], [account, kind]
        for column, value in equals.items():
            if column not in COLUMNS:
                raise ValueError(f"not a column: {column}")
            sql.append(f"{column} = ?")
            values.append(value)
        for condition, value in conditions:
            sql.append(condition)
            values.extend(value if isinstance(value, tuple) else (value,))
        direction = "ASC" if oldest_first else "DESC"
        query = f"SELECT body FROM records WHERE {' AND '.join(sql)} ORDER BY created {direction}, seq {direction}"
        if limit is not None:
            query += f" LIMIT {int(limit)}"
        return [_load(row) for row in self.execute(query, values)]

    def position(self, account: str, kind: str, identifier: str) -> tuple[int, int] | None:
        """Return the place (created, seq) of a record in its list, or None."""
        rows = self.execute(
            "SELECT created, seq FROM records WHERE account = ? AND kind = ? AND id = ?", (account, kind, identifier)
        )
        return (rows[0]["created"], rows[0]["seq"]) if rows else None

    def ids(self, account: str, kind: str) -> set[str]:
        """Return all identifiers of a kind."""
        rows = self.execute("SELECT id FROM records WHERE account = ? AND kind = ?", (account, kind))
        return {row["id"] for row in rows}

    def accounts_with_pending_refunds(self) -> list[str]:
        """Return the accounts in which a refund is pending."""
        rows = self.execute("SELECT DISTINCT account FROM records WHERE kind = 'refund' AND status = 'pending'")
        return [row["account"] for row in rows]

    def pending_refunds(self, account: str) -> list[Record]:
        """Return the pending refunds of an account, oldest first."""
        rows = self.execute(
            "SELECT body FROM records WHERE account = ? AND kind = 'refund' AND status = 'pending'"
            " ORDER BY created, seq",
            (account,),
        )
        return [_load(row) for row in rows]

    def setting(self, name: str, default: Any) -> Any:
        """Return a stored setting."""
        rows = self.execute("SELECT body FROM settings WHERE name = ?", (name,))
        return _load(rows[0]) if rows else default

    def set_setting(self, name: str, value: Any) -> None:
        """Store a setting."""
        self.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))


def _row(account: str, kind: str, record: Record) -> tuple[Any, ...]:
    body = json.dumps(record, separators=(",", ":"))
    return (account, kind, record["id"], *(record.get(column) for column in COLUMNS), body)


def _load(row: sqlite3.Row) -> Any:
    return json.loads(row["body"])
