"""``make torture`` itself: a short run over the database under test, and that it fails when it should."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.registration.books import KEY, refund_at_stripe, seed
from tests.registration.desk import fault
from tests.settings import TEST_DB
from tools.torture import __main__ as torture
from tools.torture.sandbox import Sandbox

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

ROOT = Path(__file__).resolve().parents[2]
RUNS = 3
SOUND = {"runs": 1, "kills": 3, "refunds": 15}


def test_the_promise_survives_a_short_torture() -> None:
    environment = os.environ | {"RUNS": str(RUNS), "SEED": "11", "DB": TEST_DB, "LANES": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tools.torture"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    last = done.stdout.splitlines()[-1]
    counts = dict(pair.split("=") for pair in last.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.startswith(f"runs={RUNS} ")
    assert last.endswith("doubled=0 lost=0 differences=0")
    assert int(counts["kills"]) >= RUNS
    assert int(counts["refunds"]) >= 3 * RUNS
    names, figures = (line.split() for line in done.stdout.splitlines()[-4:-2])
    assert int(dict(zip(names, figures, strict=True))["by_form"]) > 0


def play(monkeypatch: pytest.MonkeyPatch, program: str) -> int:
    """Let each lane be a program of ours instead; returns the exit status of it all."""

    def start(folder: Path, *_arguments: object) -> "subprocess.Popen[str]":
        folder.mkdir()
        (folder / "lane.log").write_text("", encoding="utf-8")
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(torture, "start", start)
    for name, value in {"RUNS": "2", "DB": "sqlite", "LANES": "2", "SEED": "1", "RUN": ""}.items():
        monkeypatch.setenv(name, value)
    return torture.main()


def said(**counts: int) -> str:
    """A lane that did one run and counted this."""
    return f"print({json.dumps(json.dumps({'counts': SOUND | counts, 'struck': ['send.before:1']}))})"


def test_sound_books_end_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(monkeypatch, said()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "runs=2 kills=6 refunds=30 credits=0 doubled=0 lost=0 differences=0"
    )


@pytest.mark.parametrize("kind", ["doubled", "lost", "differences"])
def test_one_finding_is_a_failure(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    assert play(monkeypatch, said(**{kind: 1})) == 1


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "pass", said(runs=0)])
def test_runs_that_are_missing_are_a_failure(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    assert play(monkeypatch, program) == 1


def test_a_day_waits_for_what_is_on_its_way(sandbox: "SandboxServer", background: ThreadPoolExecutor) -> None:
    seed(sandbox)
    stripe = Sandbox(sandbox.url, KEY)
    with fault(sandbox, "slow", seconds=0.5):
        asked = background.submit(refund_at_stripe, sandbox, 100)
        while not stripe.serving():
            assert not asked.done()
        asked.result()

    assert stripe.serving() == 0
