"""What was measured: rows of the table, in the form of ``bench/latest.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass(frozen=True)
class Target:
    """What a figure must not pass, in the unit of the row's ratio."""

    limit: float
    words: str
    at_least: bool = False

    def is_met_by(self, figure: float) -> bool:
        """Whether the figure keeps to it."""
        return figure >= self.limit if self.at_least else figure <= self.limit


@dataclass
class Row:
    """One figure; ``ratio`` is what the target speaks of."""

    page: str
    orders: int
    database: str
    median_ms: float | None = None
    p95_ms: float | None = None
    queries: int | None = None
    sql_ms: float | None = None
    html_bytes: int | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None

    def judge(self, target: Target | None) -> Row:
        """Compare with a target, where there is one."""
        if target is not None and self.ratio is not None:
            self.target, self.met = target.words, target.is_met_by(self.ratio)
        return self


@dataclass
class Times:
    """How long something took, time after time, in milliseconds."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    @property
    def p95(self) -> float:
        """What 95 of 100 stay under."""
        return percentile(self.values, 95)


def percentile(values: Sequence[float], share: int) -> float:
    """What this many in a hundred stay under."""
    return quantiles(values, n=100, method="inclusive")[share - 1] if len(values) > 1 else values[0]
