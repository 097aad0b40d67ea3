"""Keeps the German catalogue complete: ``make messages`` says what is missing."""

import re

import pytest
from babel.messages.catalog import Catalog, Message

from tools import messages

PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return messages.catalogued()


def texts(message: Message) -> tuple[list[str], list[str]]:
    """The forms of a message in both languages; one form counts as two."""
    ids = [message.id] * 2 if isinstance(message.id, str) else list(message.id)
    strings = [message.string] * 2 if isinstance(message.string, str) else list(message.string)
    return ids, strings


def test_every_text_has_its_german(catalog: Catalog) -> None:
    assert messages.lacking(messages.updated(catalog, messages.gathered())) == []


def test_the_catalogue_holds_what_is_said_today() -> None:
    kept = {(message.id, message.context) for message in messages.catalogued() if message.id}
    said = {(message.id, message.context) for message in messages.gathered() if message.id}

    assert kept == said, "make messages brings it up to date."


def test_no_text_hides_where_it_is_not_gathered() -> None:
    """What stands within a formatted string is never found."""
    hidden = re.compile(r"""f(["'])(?:(?!\1).)*\{(?:_|gettext)\(""")
    code = [path for path in messages._files() if path.suffix == ".py"]

    assert [str(path) for path in code if hidden.search(path.read_text())] == []


def test_the_compiled_catalogue_is_up_to_date() -> None:
    assert messages.COMPILED.read_bytes() == messages.compiled(messages.catalogued()), "make messages compiles it."


def test_no_fact_is_lost_in_translation(catalog: Catalog) -> None:
    for message in filter(lambda each: each.id, catalog):
        for said, german in zip(*texts(message), strict=True):
            assert set(PLACEHOLDER.findall(said)) == set(PLACEHOLDER.findall(german)), said
            assert said.count("\n") == german.count("\n"), said
