import json
from pathlib import Path

import pytest

from tools.bench import report
from tools.bench.figures import Row, Target, Times

FORM = "page orders database median_ms p95_ms queries sql_ms html_bytes ratio target met".split()


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "performance.md")
    report.PAGE.write_text(f"# Performance\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n")


def row(page: str, orders: int, database: str = "postgresql", ms: float = 10.0, **fields: object) -> Row:
    return Row(page, orders, database, median_ms=ms, **fields)  # type: ignore[arg-type]


def latest() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(report.LATEST.read_text())["rows"]
    return rows


def test_a_part_that_was_measured_again_replaces_its_own_and_no_other() -> None:
    report.save(report.merged([row("Order", 10_000, ms=1.0), row("Order", 100_000, ms=2.0)]))
    report.save(report.merged([row("Order", 100_000, ms=3.0)]))

    assert [(each["orders"], each["median_ms"]) for each in latest()] == [(100_000, 3.0), (10_000, 1.0)]


def test_rows_have_the_published_form() -> None:
    report.save(report.merged([row("Order", 10_000)]))

    assert [list(each) for each in latest()] == [FORM]


def test_sizes_and_databases_are_compared() -> None:
    list_page = "Orders, first page"
    rows = [row(list_page, 10_000), row(list_page, 100_000), row(list_page, 1_000_000, ms=13.0)]
    found = report.across([*rows, row(list_page, 100_000, "sqlite", ms=14.0)])

    assert [(each.ratio, each.met) for each in found] == [(1.3, False), (1.4, True)]


def test_the_page_keeps_its_words_and_shows_what_was_missed_first() -> None:
    missed = row("Slow", 10_000, ratio=5.0).judge(Target(3, "at most 3 F"))
    report.save(report.merged([row("Quick", 10_000, ratio=1.0).judge(Target(3, "at most 3 F")), missed]))

    text = report.PAGE.read_text()
    assert text.startswith("# Performance")
    assert text.endswith("After.\n")
    assert "old" not in text
    assert "1 of 2 targets met" in text
    assert text.index("| Slow |") < text.index("| Quick |")


@pytest.mark.parametrize(("figure", "at_least", "met"), [(3.0, False, True), (3.1, False, False), (30.0, True, True)])
def test_a_target_is_met_or_missed(figure: float, at_least: bool, met: bool) -> None:
    target = Target(30 if at_least else 3, "…", at_least=at_least)

    assert row("Page", 1, ratio=figure).judge(target).met is met


def test_times_have_a_middle_and_a_tail() -> None:
    times = Times([float(n) for n in range(1, 101)])

    assert times.median == 50.5
    assert 95 <= times.p95 <= 96
