"""Imports point one way: dashboard, registration.services, registration.models. The sandbox stands apart."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

BASE = Path(__file__).resolve().parent.parent
ROOMS = ("dashboard", "registration", "stripe_sandbox")
MAY_IMPORT_STRIPE = ("registration.stripe_gateway", "registration.webhooks")
# Who may not import what. A name stands for the module and everything below it.
WALLS = [
    ("registration", "dashboard"),
    ("registration", "stripe_sandbox"),
    ("registration.models", "registration.services"),
    ("registration.models", "registration.stripe_gateway"),
    ("registration.money", "registration.models"),
    ("registration.stripe_gateway", "registration.services"),
    ("dashboard", "stripe_sandbox"),
    ("stripe_sandbox", "registration"),
    ("stripe_sandbox", "dashboard"),
    ("stripe_sandbox", "django"),
    ("stripe_sandbox", "stripe"),
    ("dashboard", "stripe"),
    ("dashboard", "registration.stripe_gateway"),
]


@pytest.mark.parametrize(("module", "wall"), WALLS)
def test_imports_point_one_way(module: str, wall: str) -> None:
    assert [f"{a} imports {b}" for a, b in imports() if is_in(a, module) and is_in(b, wall)] == []


def test_only_the_stripe_door_imports_stripe() -> None:
    strangers = {a for a, b in imports() if is_in(b, "stripe")}

    assert {a for a in strangers if not any(is_in(a, door) for door in MAY_IMPORT_STRIPE)} == set()


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@cache
def imports() -> list[tuple[str, str]]:
    """List (importing module, imported name) for every import statement of ours, wherever it stands."""
    return list(read_imports())


def read_imports() -> Iterator[tuple[str, str]]:
    for path in (path for room in ROOMS for path in (BASE / room).rglob("*.py")):
        module = ".".join(path.relative_to(BASE).with_suffix("").parts).removesuffix(".__init__")
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                source = ".".join([*parents, *([node.module] if node.module else [])])
                yield from ((module, f"{source}.{alias.name}") for alias in node.names)
