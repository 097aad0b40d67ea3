"""Keeps the pictures of the documentation and the page that shows them together."""

import re

from tools import screenshots

SHOWN = set(re.findall(r"screenshots/([\w-]+\.png)", (screenshots.ROOT / "docs" / "screens.md").read_text()))


def test_the_page_shows_every_picture_that_is_taken() -> None:
    every = screenshots.BEFORE | screenshots.AS_VIEWER | screenshots.MAIN | screenshots.OTHERS
    taken = {f"{name}-{view}.png" for name in every for view in screenshots.VIEWS}
    taken |= {f"{name}-{view}.png" for name in screenshots.MAIN for view in screenshots.MORE_VIEWS}

    assert taken == SHOWN
    assert {path.name for path in screenshots.TARGET.glob("*.png")} == SHOWN


def test_no_picture_is_heavy() -> None:
    assert all(path.stat().st_size < 120_000 for path in screenshots.TARGET.glob("*.png"))
