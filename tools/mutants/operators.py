"""The small mistakes: which there are in a module, and the module with one of them made."""

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"any": "all", "all": "any", "min": "max", "max": "min"}
METHODS = {"filter": "exclude", "exclude": "filter", "first": "last", "last": "first"}
FOR_PEOPLE = {"_", "gettext", "gettext_lazy", "ngettext"}
"""What these are called with is read by people; tests are not to repeat it word for word."""
LOGS = {"debug", "info", "warning", "error", "exception"}
Change = Callable[[Any], ast.AST]


@dataclass(frozen=True)
class Mutant:
    """One small mistake.

    Attributes:
        place: How many possible changes of the module come before it.
        function: The qualified name of the function it is in; empty for the module's own level.
        digest: Of that function, or of the statement at the module's own level.
        nth: How many changes in the same words come before it there.
        lines: First and last line of what is changed.
        words: What is changed, for a reader.
    """

    place: int
    function: str
    digest: str
    nth: int
    lines: tuple[int, int]
    words: str


class Walk(ast.NodeTransformer):
    """Visits every possible change in a fixed order, and makes the one that is wanted."""

    def __init__(self, wanted: int | None = None) -> None:
        """Without a wanted one, only collect."""
        self.wanted, self.found = wanted, list[Mutant]()
        self.scope: list[str] = []
        self.in_function = 0
        self.outermost: ast.AST | None = None
        self.lines: tuple[int, int] | None = None
        self.seen: Counter[tuple[str, str, str]] = Counter()

    def visit(self, node: ast.AST) -> Any:
        """Offer the node's changes, then those within it."""
        if not self.in_function and isinstance(node, ast.stmt):
            self.outermost = node
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return self._definition(node)
        changed = self._offer(node)
        if changed is not node:
            return changed
        self._within(node)
        return node

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        """Only the body and the defaults; decorators, bases and annotations stay as they are."""
        is_function = isinstance(node, ast.FunctionDef)
        self.scope.append(node.name)
        self.in_function += is_function
        if isinstance(node, ast.FunctionDef):
            self.lines = (node.lineno, node.end_lineno or node.lineno)  # A default counts wherever it is used.
            node.args.defaults = [self.visit(each) for each in node.args.defaults]
            node.args.kw_defaults = [each and self.visit(each) for each in node.args.kw_defaults]
            self.lines = None
        node.body = [self.visit(each) if self._may_change(each) else each for each in node.body]
        self.in_function -= is_function
        self.scope.pop()
        return node

    def _may_change(self, node: ast.stmt) -> bool:
        """Not what a class says of itself: its attributes are read when it is made, and that has happened."""
        return bool(self.in_function) or isinstance(node, ast.FunctionDef | ast.ClassDef)

    def _within(self, node: ast.AST) -> None:
        if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom) or _is_docstring(node) or _is_for_people(node):
            return
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "ctx"):
                continue
            if isinstance(value, list):
                setattr(node, name, [self.visit(each) if isinstance(each, ast.AST) else each for each in value])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))

    def _offer(self, node: ast.AST) -> ast.AST:
        for words, change in changes(node):
            if self.wanted == len(self.found):
                changed = ast.copy_location(change(copy.deepcopy(node)), node)
                self.found.append(self._named(node, words))
                return changed
            self.found.append(self._named(node, words))
        return node

    def _named(self, node: ast.AST, words: str) -> Mutant:
        lines = self.lines or (node.lineno, node.end_lineno)  # type: ignore[attr-defined]
        function = ".".join(self.scope) if self.in_function else ""
        digest = hashlib.sha256(ast.dump(self.outermost or node).encode()).hexdigest()[:12]
        self.seen[function, digest, words] += 1
        return Mutant(len(self.found), function, digest, self.seen[function, digest, words], lines, words)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_people(node: ast.AST) -> bool:
    """A call whose text is for people's eyes: translated, or written to the log."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in FOR_PEOPLE
    return isinstance(node.func, ast.Attribute) and node.func.attr in LOGS and ast.unparse(node.func.value) == "logger"


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What can be changed about one node, not counting what is within it."""
    kind = CHANGES.get(type(node))
    if kind is not None:
        yield from kind(node)


def _compare(node: ast.Compare) -> Iterator[tuple[str, Change]]:
    for place, operator in enumerate(node.ops):
        other = COMPARISONS[type(operator)]

        def change(fresh: ast.Compare, place: int = place, other: type[ast.cmpop] = other) -> ast.AST:
            fresh.ops[place] = other()
            return fresh

        yield f"{ast.unparse(node)}: {type(operator).__name__} becomes {other.__name__}", change


def _boolean(node: ast.BoolOp) -> Iterator[tuple[str, Change]]:
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield f"{ast.unparse(node)}: {other.__name__.lower()}", lambda fresh: ast.BoolOp(other(), fresh.values)


def _unary(node: ast.UnaryOp) -> Iterator[tuple[str, Change]]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield f"{ast.unparse(node)}: without {type(node.op).__name__}", lambda fresh: fresh.operand


def _binary(node: ast.BinOp) -> Iterator[tuple[str, Change]]:
    other = ARITHMETIC.get(type(node.op))
    if other is not None:
        words = f"{ast.unparse(node)}: {type(node.op).__name__} becomes {other.__name__}"
        yield words, lambda fresh: ast.BinOp(fresh.left, other(), fresh.right)


def _constant(node: ast.Constant) -> Iterator[tuple[str, Change]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} becomes {not value}", lambda _fresh: ast.Constant(not value)
    elif isinstance(value, int | float):
        yield f"{value} becomes {value + 1}", lambda _fresh: ast.Constant(value + 1)
    elif isinstance(value, str):
        other = f"XX{value}" if value else "XX"
        yield f"{value!r} becomes {other!r}", lambda _fresh: ast.Constant(other)


def _test(node: ast.If | ast.IfExp | ast.While) -> Iterator[tuple[str, Change]]:
    """Turned round, where that is not a change of its comparison or its ``not`` already."""
    if isinstance(node.test, ast.Compare | ast.UnaryOp | ast.BoolOp):
        return

    def change(fresh: Any) -> ast.AST:
        fresh.test = ast.UnaryOp(ast.Not(), fresh.test)
        return fresh  # type: ignore[no-any-return]

    yield f"if {ast.unparse(node.test)}: turned round", change


def _return(node: ast.Return) -> Iterator[tuple[str, Change]]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield f"{ast.unparse(node)}: returns nothing", lambda _fresh: ast.Return(ast.Constant(None))


def _call_statement(node: ast.Expr) -> Iterator[tuple[str, Change]]:
    if isinstance(node.value, ast.Call) and not _is_for_people(node.value):
        yield f"{ast.unparse(node)[:100]}: left out", lambda _fresh: ast.Pass()


def _assignment(node: ast.Assign) -> Iterator[tuple[str, Change]]:
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield f"{ast.unparse(node)[:100]}: left out", lambda _fresh: ast.Pass()


def _augmented(node: ast.AugAssign) -> Iterator[tuple[str, Change]]:
    yield f"{ast.unparse(node)[:100]}: left out", lambda _fresh: ast.Pass()
    other = ARITHMETIC.get(type(node.op))
    if other is not None:
        words = f"{ast.unparse(node)}: {type(node.op).__name__} becomes {other.__name__}"
        yield words, lambda fresh: ast.AugAssign(fresh.target, other(), fresh.value)


def _raise(node: ast.Raise) -> Iterator[tuple[str, Change]]:
    yield f"{ast.unparse(node)[:100]}: left out", lambda _fresh: ast.Pass()


def _break(node: ast.Break) -> Iterator[tuple[str, Change]]:
    yield "break becomes continue", lambda _fresh: ast.Continue()


def _continue(node: ast.Continue) -> Iterator[tuple[str, Change]]:
    yield "continue becomes break", lambda _fresh: ast.Break()


def _handler(node: ast.ExceptHandler) -> Iterator[tuple[str, Change]]:
    def change(fresh: ast.ExceptHandler) -> ast.AST:
        fresh.type = ast.Tuple([], ast.Load())
        return fresh

    yield f"except {ast.unparse(node.type) if node.type else ''}: catches nothing", change


def _call(node: ast.Call) -> Iterator[tuple[str, Change]]:
    function = node.func
    if isinstance(function, ast.Name) and (other := NAMES.get(function.id)):

        def rename(fresh: ast.Call) -> ast.AST:
            fresh.func = ast.Name(other, ast.Load())
            return fresh

        yield f"{ast.unparse(node)[:100]}: {other}", rename
    elif isinstance(function, ast.Attribute) and (method := METHODS.get(function.attr)):

        def exchange(fresh: ast.Call) -> ast.AST:
            fresh.func.attr = method  # type: ignore[attr-defined]
            return fresh

        yield f"{ast.unparse(node)[:100]}: {method}", exchange


CHANGES: dict[type[ast.AST], Callable[[Any], Iterator[tuple[str, Change]]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Constant: _constant,
    ast.If: _test,
    ast.IfExp: _test,
    ast.While: _test,
    ast.Return: _return,
    ast.Expr: _call_statement,
    ast.Assign: _assignment,
    ast.AugAssign: _augmented,
    ast.Raise: _raise,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.ExceptHandler: _handler,
    ast.Call: _call,
}


def mutants_of(source: str) -> list[Mutant]:
    """Every small mistake that could be in a module, in a fixed order."""
    walk = Walk()
    walk.visit(ast.parse(source))
    return walk.found


def mutated(source: str, place: int) -> ast.Module:
    """The module with one small mistake."""
    tree = Walk(place).visit(ast.parse(source))
    return ast.fix_missing_locations(tree)  # type: ignore[no-any-return]
