"""Pages keep their speed while Stripe is silent: the measurement itself, kept short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.settings import TEST_DB

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.trap(9)
def test_other_pages_are_as_quick_while_refunds_wait_for_stripe() -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "STRIPE_API_BASE")}
    done = subprocess.run(
        [sys.executable, "-m", "tools.stall"],
        cwd=ROOT,
        env=inherited | {"DB": TEST_DB, "SECONDS": "6"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert " refunds=6 " in last
    assert last.endswith(" unsettled=0")
