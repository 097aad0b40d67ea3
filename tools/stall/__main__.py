"""Whether others' pages keep their speed while Stripe is silent; ``DB`` chooses the database, ``SECONDS`` how long.

Everything is real: the web server as in production, the sandbox, the database. Staff send refunds to a Stripe that is
silent for twenty seconds a call; meanwhile a colleague turns pages, for as long as all those refunds wait. The same
pages are timed before, in the same run.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

SILENT_SECONDS = 20
ONE_TRY_SECONDS = 10  # What the Stripe client waits for an answer, before its second try.
LEAST_PAGES = 20
ALLOWED = 2.0
"""The median may be this much longer, for a busy machine; a held lock or a used-up pool costs seconds."""


def main() -> int:
    """Measure, print a line for each half; fails when pages became slow or the refunds did not wait for Stripe."""
    seconds = float(os.environ.get("SECONDS") or "15")
    with tempfile.TemporaryDirectory(prefix="refund-desk-stall-") as folder:
        from tools.stall.desk import Desk, prepare

        prepare(Path(folder), os.environ.get("DB") or "postgresql")
        with Desk(Path(folder)) as desk:
            desk.turn_pages(seconds / 3)  # Warms up every thread.
            before = desk.turn_pages(seconds)
            desk.silence_stripe(SILENT_SECONDS)
            waiting = desk.send_refunds()
            start = time.monotonic()
            during = desk.turn_pages(seconds, waiting)
            waited = time.monotonic() - start
            if len(during) < LEAST_PAGES:
                print(f"nothing measured: the refunds waited {waited:.1f} s, for {len(during)} pages")
                return 1
            _print("Stripe answers", before)
            _print("Stripe is silent", during)
            left = desk.settle(waiting)
    slower = statistics.median(during) / statistics.median(before)
    print(f"slower={slower:.2f} refunds={len(waiting)} waited={waited:.1f} unsettled={left}")
    return int(slower > ALLOWED or left > 0 or waited < min(seconds, ONE_TRY_SECONDS))


def _print(name: str, times: list[float]) -> None:
    centiles = statistics.quantiles(times, n=20)
    print(
        f"{name:<17} {len(times):>5} pages, median {statistics.median(times):6.1f} ms,"
        f" 95 % within {centiles[-1]:6.1f} ms",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
