"""What the pages load: every file linked, none of it large."""

import gzip
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STYLES = sorted((ROOT / "static/css").glob("*.css"))
SCRIPTS = sorted((ROOT / "static/js").glob("*.js"))
LINKED = "".join((ROOT / "templates/includes" / name).read_text() for name in ("_styles.html", "_scripts.html"))


@pytest.mark.parametrize("path", STYLES + SCRIPTS, ids=lambda path: path.name)
def test_every_file_is_linked_once_and_stays_small(path: Path) -> None:
    assert LINKED.count(f"{path.parent.name}/{path.name}'") == 1
    assert len(path.read_text().splitlines()) < 300


def test_all_scripts_together_stay_a_small_download() -> None:
    everything = b"".join(path.read_bytes() for path in SCRIPTS)

    # Six for what the design counted, two for following changes made elsewhere, one for keeping what was typed, one for
    # panels that Back and Forward pass through, one for heads that change under somebody's hands and for toasts that
    # step aside, one for where the focus goes after each of them.
    assert len(gzip.compress(everything)) < 12 * 1024


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_leave_wording_and_evaluation_to_others(path: Path) -> None:
    text = path.read_text()

    assert "eval(" not in text
    assert "innerHTML =" not in text
