"""``make mutants``: which small mistakes it makes, which it leaves out, and that they reach what is loaded."""

import ast
import functools
import sys
import types
from collections.abc import Callable, Iterator

import pytest

from tools.mutants import warm
from tools.mutants.__main__ import all_mutants, chosen, key
from tools.mutants.operators import mutants_of, mutated


def all_of(source: str) -> list[str]:
    return [ast.unparse(mutated(source, mutant.place)) for mutant in mutants_of(source)]


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a <= b", ["a < b"]),
        ("a in b", ["a not in b"]),
        ("a and b", ["a or b"]),
        ("not a", ["a"]),
        ("a + b", ["a - b"]),
        ("a += b", ["pass", "a -= b"]),
        ("x = True", ["x = False"]),
        ("x = 2", ["x = 3"]),
        ("x = 'ab'", ["x = 'XXab'"]),
        ("x = any(y)", ["x = all(y)"]),
        ("x = y.filter()", ["x = y.exclude()"]),
        ("raise a", ["pass"]),
        ("x.y = z", ["pass"]),
        ("f()", ["pass"]),
        ("x = a if b else c", ["x = a if not b else c"]),
    ],
)
def test_a_small_mistake(source: str, changed: list[str]) -> None:
    assert all_of(source) == changed


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "def f(a: 'int') -> 'str':\n    'Also one.'",
        "x = _('A sentence for people')",
        "logger.info('A line for the log')",
        "x = f'{y} and words'",
        "class A:\n    x = 1",
        "@cache\ndef f():\n    ...",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    assert all_of(source) == []


def test_a_mutant_is_known_again_after_other_functions_changed() -> None:
    before = mutants_of("def f():\n    return 1 + 1\n")
    after = mutants_of("import a\n\ndef g():\n    return 1\n\ndef f():\n    return 1 + 1\n")

    assert {key("m", mutant) for mutant in before} < {key("m", mutant) for mutant in after}
    assert len({key("m", mutant) for mutant in after}) == len(after)


def test_a_share_is_the_same_for_the_same_seed_and_its_shards_cover_it(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = all_mutants(["registration/money.py"])
    monkeypatch.setenv("SAMPLE", "0.5")
    monkeypatch.setenv("SEED", "7")
    whole = chosen(everything)
    shards = []
    for shard in ("1/2", "2/2"):
        monkeypatch.setenv("SHARD", shard)
        shards += chosen(everything)

    assert len(whole) == round(len(everything) / 2)
    assert sorted(shards, key=str) == sorted(whole, key=str)


SOURCE = """
LIMIT = 10


class Service:
    @staticmethod
    def small(amount, limit=5):
        return amount < limit

    @property
    def sign(self):
        return "+"


@wrapped
def total(a, b):
    return a + b
"""


def wrapped(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def call(*args: object) -> object:
        return function(*args)

    return call


@pytest.fixture
def loaded() -> Iterator[types.ModuleType]:
    module = types.ModuleType("small_shop")
    module.wrapped = wrapped  # type: ignore[attr-defined]
    module.__file__ = "small_shop.py"
    exec(compile(SOURCE, "small_shop.py", "exec"), module.__dict__)  # noqa: S102
    sys.modules["small_shop"] = module
    yield module
    del sys.modules["small_shop"]


@pytest.mark.parametrize(
    ("words", "ask", "before", "after"),
    [
        ("a + b: Add becomes Sub", lambda module: module.total(2, 1), 3, 1),
        ("amount < limit: Lt becomes LtE", lambda module: module.Service.small(5), False, True),
        ("5 becomes 6", lambda module: module.Service.small(5), False, True),
        ("'+' becomes 'XX+'", lambda module: module.Service().sign, "+", "XX+"),
        ("10 becomes 11", lambda module: module.LIMIT, 10, 11),
    ],
)
def test_a_mistake_reaches_what_is_loaded(
    loaded: types.ModuleType, words: str, ask: Callable[[types.ModuleType], object], before: object, after: object
) -> None:
    mutant = next(each for each in mutants_of(SOURCE) if each.words == words)
    imports = ast.parse("from tests.tools.test_mutants import wrapped").body
    tree = mutated(SOURCE, mutant.place)
    tree.body = [*imports, *tree.body]

    assert ask(loaded) == before
    warm.apply("small_shop.py", tree, mutant.function)
    assert ask(loaded) == after
