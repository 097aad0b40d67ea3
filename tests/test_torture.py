"""A short torture: the promise holds while processes die, and the judge would notice if it did not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.settings import TEST_DB

BASE = Path(__file__).resolve().parent.parent


@pytest.mark.trap(2, 3, 4, 7, 16, 17)
def test_nothing_is_doubled_lost_or_different_after_a_short_torture() -> None:
    environment = os.environ | {"RUNS": "2", "SEED": "1", "DB": TEST_DB, "RUN": ""}

    ended = subprocess.run(
        [sys.executable, "-m", "tools.torture"],
        check=False,
        cwd=BASE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    last = ended.stdout.splitlines()[-1]
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", last)}
    assert counts["runs"] == 2
    assert min(counts["kills"], counts["refunds"], counts["credits"]) > 0
    assert (counts["doubled"], counts["lost"], counts["differences"]) == (0, 0, 0)
