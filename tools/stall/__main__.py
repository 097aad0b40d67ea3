"""Whether others' pages keep their speed while Stripe is silent; ``DB`` chooses the database, ``SECONDS`` how long.

Everything is real: the web server as in production, the sandbox, the database. Staff send refunds to a Stripe that is
silent for twenty seconds a call; meanwhile a colleague turns pages. The same pages are timed before, in the same run.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

SILENT_SECONDS = 20
ALLOWED = 2.0
"""The median may be this much longer, for a busy machine; a held lock or a used-up pool costs seconds."""


def main() -> int:
    """Measure, print a line for each half, and fail when pages became slow."""
    seconds = float(os.environ.get("SECONDS") or "15")
    with tempfile.TemporaryDirectory(prefix="refund-desk-stall-") as folder:
        from tools.stall.desk import Desk, prepare

        prepare(Path(folder), os.environ.get("DB") or "postgresql")
        with Desk(Path(folder)) as desk:
            desk.turn_pages(seconds / 3)  # Warms up every thread.
            before = desk.turn_pages(seconds)
            desk.silence_stripe(SILENT_SECONDS)
            waiting = desk.send_refunds()
            during = desk.turn_pages(seconds)
            still = sum(thread.is_alive() for thread in waiting)
            _print("Stripe answers", before, "")
            _print("Stripe is silent", during, f", {still} of {len(waiting)} refunds still waiting")
            left = desk.settle(waiting)
    print(f"slower={statistics.median(during) / statistics.median(before):.2f} waited={still} unsettled={left}")
    slow = statistics.median(during) > ALLOWED * statistics.median(before)
    return int(slow or left > 0 or not still)


def _print(name: str, times: list[float], more: str) -> None:
    centiles = statistics.quantiles(times, n=20)
    print(
        f"{name:<17} {len(times):>5} pages, median {statistics.median(times):6.1f} ms,"
        f" 95 % within {centiles[-1]:6.1f} ms{more}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
