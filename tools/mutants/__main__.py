"""``make mutants``: MODULES, SAMPLE, SEED and SHARD choose which; what was tried before is not tried again."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tools.mutants.operators import Mutant, mutants_of
from tools.mutants.warm import KILLED, ROOT, SURVIVED, TIMEOUT, UNTESTED, Warm

MODULES = (
    "registration/services/**/*.py registration/money.py"
    " registration/stripe_gateway.py registration/stripe_snapshots.py"
)
TESTS = os.environ.get("TESTS") or "tests/registration tests/dashboard"
SLOW = "tests/registration/test_promise_stateful.py"
RESULTS = Path(os.environ.get("RESULTS") or ROOT / "var" / "mutants.jsonl")
Work = list[tuple[str, Mutant]]


def main() -> int:
    """Try the chosen mutants and print what survived."""
    everything = all_mutants((os.environ.get("MODULES") or MODULES).split())
    work = chosen(everything)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.touch()
    again = os.environ.get("AGAIN") == "1"
    known = read(RESULTS)
    left = [pair for pair in work if known.get(key(*pair), "") in _open(again)]
    print(f"{len(everything)} mutants, {len(work)} chosen, {len(left)} to try", flush=True)
    if left and (status := run(left)):
        return status
    report(work, read(RESULTS))
    return 0


def _open(again: bool) -> tuple[str, ...]:
    """The outcomes that leave a mutant to be tried."""
    return (SURVIVED, UNTESTED) if again else ("",)


def all_mutants(patterns: list[str]) -> Work:
    """Every mutant of the modules, in a fixed order."""
    paths = sorted({path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)})
    return [(path, mutant) for path in paths for mutant in mutants_of((ROOT / path).read_text(encoding="utf-8"))]


def chosen(everything: Work) -> Work:
    """A share of them by the seed, and of that one shard: ``SAMPLE=0.25 SEED=1 SHARD=1/2``."""
    rng = Random(int(os.environ.get("SEED") or 1))  # noqa: S311
    share = float(os.environ.get("SAMPLE") or 1)
    shard, shards = map(int, (os.environ.get("SHARD") or "1/1").split("/"))
    drawn = rng.sample(everything, round(share * len(everything)))
    return drawn[shard - 1 :: shards]


def key(path: str, mutant: Mutant) -> str:
    """The same while neither the function nor what is changed in it is another."""
    return json.dumps([path, mutant.function, mutant.digest, mutant.nth, mutant.words])


def read(results: Path) -> dict[str, str]:
    """The last outcome of each mutant."""
    found: dict[str, str] = {}
    for line in results.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        found[json.dumps([row[name] for name in ("path", "function", "digest", "nth", "words")])] = row["outcome"]
    return found


def run(work: Work) -> int:
    """Let pytest collect the tests, and try the mutants in its place."""
    os.environ["REFUND_DESK_TEST_DB"] = "sqlite"
    options = ["-q", "--ds=tools.mutants.settings", "-p", "no:cacheprovider", "-p", "no:randomly", f"--deselect={SLOW}"]
    return int(pytest.main([*options, *TESTS.split()], plugins=[Warm(work, RESULTS)]))


def report(work: Work, outcomes: dict[str, str]) -> None:
    """What survived, and the figures per module."""
    counts: dict[str, Counter[str]] = {}
    for path, mutant in work:
        outcome = outcomes.get(key(path, mutant), "")
        counts.setdefault(path, Counter())[outcome] += 1
        if outcome in (SURVIVED, UNTESTED):
            print(f"{outcome} {path}:{mutant.lines[0]} {mutant.function}: {mutant.words}")
    total = sum(counts.values(), Counter[str]())
    for path, counted in [*sorted(counts.items()), ("all", total)]:
        tried = sum(counted.values()) - counted[""]
        killed = counted[KILLED] + counted[TIMEOUT]
        share = f"{100 * killed / tried:.1f} %" if tried else "-"
        print(
            f"{path}: mutants={sum(counted.values())} tried={tried} killed={counted[KILLED]} timeout={counted[TIMEOUT]}"
            f" survived={counted[SURVIVED]} untested={counted[UNTESTED]} killed={share}"
        )


if __name__ == "__main__":
    sys.exit(main())
