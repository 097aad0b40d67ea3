"""The geometry of plots: whole numbers on a fixed canvas, worked out from exact amounts; templates draw the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from registration.money import ZERO

TOP, BASE, HEIGHT, LABELS_AT = 24, 184, 208, 204
WIDE, NARROW = 640, 440
GUTTER, EDGE = 48, 6
ABOVE, LETTER = 6, 11
"""How far words stand above a bar, and what a letter takes where they are largest."""
MOST_LABELS = {WIDE: 6, NARROW: 5}
STEPS = tuple(map(Decimal, ("0.2", "0.5", "1", "2")))
"""Between lines, as parts of the highest power of ten in the largest amount."""
Words = Callable[[Decimal], str]


@dataclass(frozen=True)
class Frame:
    """What both kinds of plot have around them."""

    width: int
    grid: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    peak: dict[str, Any] | None
    left: int = GUTTER
    base: int = BASE
    height: int = HEIGHT


@dataclass(frozen=True)
class Bars(Frame):
    """One stack of rectangles for each day."""

    stacks: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Line(Frame):
    """One line with the area under it."""

    path: str = ""
    area: str = ""
    tone: str = ""
    end_x: int = GUTTER


def bars(
    days: Sequence[tuple[str, Sequence[tuple[str, Decimal]]]],
    words: Words,
    said: tuple[int, str] | None = None,
    width: int = WIDE,
) -> Bars:
    """Stack the amounts of each day.

    Args:
        days: A label, and the tones with their amounts from the bottom up.
        words: Says an amount at the axis.
        said: Which of the days says something above its bar, and what.
        width: Of the canvas.
    """
    totals = [sum((amount for _tone, amount in parts), ZERO) for _label, parts in days]
    top = max(totals, default=ZERO)
    scale = _scale(top)
    pitch = Decimal(width - GUTTER - EDGE) / max(len(days), 1)
    thick = max(1, int(pitch * 3 / 4))
    stacks: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for index, (label, parts) in enumerate(days):
        x = GUTTER + int(pitch * index + (pitch - thick) / 2)
        stacks.append({"x": x, "width": thick, "parts": _stack(parts, scale)})
        if _is_labelled(index, len(days), width):
            labels.append({"x": x + thick // 2, "text": label, "anchor": "middle"})
    peak = None
    if said is not None:
        at, text = said
        middles = [int(stack["x"]) + thick // 2 for stack in stacks]
        peak = _said_above(at, middles, [_y(total, scale) for total in totals], text, width)
    return Bars(width, _grid(top, scale, words), labels, peak, stacks=tuple(stacks))


def line(points: Sequence[tuple[str, Decimal]], words: Words, tone: str = "", width: int = NARROW) -> Line:
    """Draw a line through rising days; its last point carries its value."""
    top = max((value for _label, value in points), default=ZERO)
    scale = _scale(top)
    room, last = width - GUTTER - EDGE, max(len(points) - 1, 1)
    drawn = [(GUTTER + room * index // last, _y(value, scale)) for index, (_label, value) in enumerate(points)]
    path = " ".join(f"{'L' if index else 'M'}{x} {y}" for index, (x, y) in enumerate(drawn))
    labels = [
        {"x": drawn[index][0], "text": label, "anchor": _anchor(index, len(points))}
        for index, (label, _value) in enumerate(points)
        if _is_labelled(index, len(points), width)
    ]
    end = drawn[-1] if drawn else (GUTTER, BASE)
    peak = _peak(end[0], end[1], words(points[-1][1]), width) if points else None
    area = f"{path} L{end[0]} {BASE} L{GUTTER} {BASE} Z" if points else ""
    return Line(width, _grid(top, scale, words), labels, peak, path=path, area=area, tone=tone, end_x=end[0])


def shares(rows: Sequence[tuple[str, Decimal]], width: int) -> list[int]:
    """Widths of bars that lie: the largest takes all the room, and what is not zero is seen."""
    top = max((amount for _label, amount in rows), default=ZERO)
    if top <= 0:
        return [0 for _row in rows]
    return [max(1, int(amount * width / top)) if amount > 0 else 0 for _label, amount in rows]


def _scale(top: Decimal) -> Decimal:
    """Amount for each unit of height."""
    return top / (BASE - TOP) if top > 0 else Decimal(1)


def _y(value: Decimal, scale: Decimal) -> int:
    return BASE - int((max(value, ZERO) / scale).to_integral_value())


def _stack(parts: Sequence[tuple[str, Decimal]], scale: Decimal) -> list[dict[str, Any]]:
    drawn, below = [], ZERO
    for tone, amount in parts:
        if amount <= 0:
            continue
        bottom, top = _y(below, scale), _y(below + amount, scale)
        drawn.append({"tone": tone, "y": min(top, bottom - 1), "height": max(bottom - top - (1 if below else 0), 1)})
        below += amount
    return drawn


def _grid(top: Decimal, scale: Decimal, words: Words) -> list[dict[str, Any]]:
    """Two to four lines at round amounts."""
    if top <= 0:
        return []
    unit = Decimal(1).scaleb(top.adjusted())
    step = next(unit * part for part in STEPS if top < 5 * unit * part)
    return [{"y": _y(step * index, scale), "text": words(step * index)} for index in range(1, int(top / step) + 1)]


def _peak(x: int, y: int, text: str, width: int) -> dict[str, Any]:
    anchor = "end" if x > width - GUTTER else "start" if x < GUTTER * 2 else "middle"
    return {"x": x, "y": y - ABOVE if anchor != "end" else y - 10, "dot": y, "text": text, "anchor": anchor}


def _said_above(at: int, middles: Sequence[int], tops: Sequence[int], text: str, width: int) -> dict[str, Any]:
    """Words over a bar: in its middle, or to a side, where no taller one is in their way; else above that one."""
    x, length = middles[at], len(text) * LETTER
    starts = {"middle": x - length // 2, "end": x - length, "start": x}
    highest = {
        anchor: min(top for middle, top in zip(middles, tops, strict=True) if start <= middle <= start + length)
        for anchor, start in starts.items()
    }
    fits = (each for each, start in starts.items() if start >= 0 and start + length <= width)
    free = [each for each in fits if highest[each] == tops[at]]
    anchor = free[0] if free else "end" if x > width // 2 else "start"
    return {"x": x, "y": highest[anchor] - ABOVE, "dot": tops[at], "text": text, "anchor": anchor}


def _is_labelled(index: int, count: int, width: int) -> bool:
    """Every few, counted from the last, which is the one looked for."""
    return (count - 1 - index) % max(1, -(-count // MOST_LABELS[width])) == 0


def _anchor(index: int, count: int) -> str:
    return "end" if index == count - 1 else "start" if index == 0 else "middle"
