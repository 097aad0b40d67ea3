"""Measure the desk: ``ORDERS`` and ``DB`` choose parts, ``KEEP`` leaves the seasons for the next run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench import report
from tools.bench.databases import KEPT, ROOT, database
from tools.bench.figures import Row

SIZES, DATABASES = "10000,100000,1000000", "postgresql,sqlite"


def main() -> int:
    """Measure part by part; the table keeps the parts that were not measured now."""
    sizes = [int(size) for size in (os.environ.get("ORDERS") or SIZES).split(",")]
    kinds = (os.environ.get("DB") or DATABASES).split(",")
    keep = (os.environ.get("KEEP") or "0") != "0"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="refund-desk-bench-") as temporary:
        folder = KEPT if keep else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            for orders in sizes:
                print(f"\n{orders:,} orders, {report.NAMES[kind]}", flush=True)
                with database(kind, orders, folder, keep=keep) as address:
                    rows += _measured(address, orders, Path(temporary) / "rows.json")
    together = report.merged(rows)
    report.save(together)
    missed = [row for row in together if row.met is False]
    print(f"\n{len(missed)} of {sum(row.met is not None for row in together)} targets missed; see docs/performance.md.")
    for row in missed:
        print(f"  {row.orders:>9,} {row.database:<11}{row.page}: {row.ratio} ({row.target})")
    return 0


def _measured(address: str, orders: int, result: Path) -> list[Row]:
    """The figures of one part, measured in a process that does nothing else."""
    command = [sys.executable, "-m", "tools.bench.part", str(orders), str(result)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": address}, check=True)
    return [Row(**row) for row in json.loads(result.read_text())]


if __name__ == "__main__":
    sys.exit(main())
