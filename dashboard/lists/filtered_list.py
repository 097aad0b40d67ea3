"""What every list with a panel of filters says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest

from dashboard.lists.unread import Unread, unread_place

TYPED_PARAMETERS = ("since", "until", "least", "most")
"""Filters that are typed into, so that something can be wrong with them."""


class FilteredList(ABC):
    """The rows of one conference as an address asks for them."""

    request: HttpRequest
    filter_parameters: ClassVar[tuple[str, ...]]
    """What the panel narrows by."""
    page: Any
    unread: Any
    narrowing: Any

    @abstractmethod
    def url(self, changes: Mapping[str, str], drop: tuple[str, ...] = ()) -> str:
        """The address of the list with some parameters changed."""

    @property
    def left_out(self) -> list[Unread]:
        """All that is said above the list: what narrows nothing, and a page that could not be found."""
        lost = unread_place(self.page, self.request.GET.get("after", "") or self.request.GET.get("before", ""))
        return [*self.unread, lost] if lost else self.unread

    @property
    def is_narrowed(self) -> bool:
        """Whether the address asks for less than everything."""
        return bool(self.narrowing)

    @property
    def filter_count(self) -> int:
        """How many filters of the panel are on."""
        return sum(key in self.narrowing for key in self.filter_parameters)

    @property
    def filter_errors(self) -> dict[str, str]:
        """By the place below each field that is typed into, what is wrong with it; empty for what is not."""
        errors = {each.name: each.error for each in self.unread}
        return {f"id_{name}_error": errors.get(name, "") for name in TYPED_PARAMETERS}

    @property
    def newer_url(self) -> str:
        """The page before this one."""
        return self.url({"before": self.page.before}) if self.page.before else ""

    @property
    def older_url(self) -> str:
        """The page behind this one."""
        return self.url({"after": self.page.after}) if self.page.after else ""

    @property
    def address(self) -> str:
        """This page's own address, without what is empty."""
        return self.url({key: self.request.GET[key] for key in ("after", "before") if self.request.GET.get(key)})
