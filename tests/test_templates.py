"""What must hold for every template: Django can read it, and the content security policy lets it work."""

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))
# Each of these the browser, or htmx without eval, would silently not do.
FORBIDDEN = {
    "a style attribute": r"<[^>]*\sstyle=",
    "a style element": r"<style\b",
    "a script without src": r"<script(?![^>]*\bsrc=)(?![^>]*application/json)",
    "an event handler": r"<[^>]*\s(?:on[a-z]+|hx-on[:\w-]*)=",
    "computed values for htmx": r"hx-vals=[\"']js:",
    "a filter on an htmx trigger": r"hx-trigger=\"[^\"]*\[",
    "a file from another server": r"(?:src|href)=\"(?:https?:)?//[^\"]*\.(?:css|js|woff2?|png|svg)",
}


@pytest.mark.parametrize("name", NAMES)
def test_django_can_read_the_template(name: str) -> None:
    get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_lets_the_template_work(name: str) -> None:
    text = (TEMPLATES / name).read_text(encoding="utf-8")

    assert [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)] == []
