"""What an address asks for, as far as it can be read; what cannot be is left out, and the page says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.forms.fields import NO_SUCH_CHOICE
from dashboard.lists.paging import KeysetPage, keyset_page

M = TypeVar("M", bound=Model)

NO_SUCH_WORDS = gettext_lazy("It holds a null character, which nothing here has.")
NULL, SHOWN_FOR_NULL = "\0", "\N{SYMBOL FOR NULL}"


@dataclass(frozen=True)
class Unread:
    """A value that was asked for and cannot be read, so that it narrows nothing."""

    name: str
    label: str
    typed: str
    error: str

    @property
    def shown(self) -> str:
        """What was typed, as a page can show it."""
        return self.typed.replace(NULL, SHOWN_FOR_NULL)


class Asked:
    """The values of one address. Each is read once; ``unread`` then names those that were left out."""

    def __init__(self, request: HttpRequest) -> None:
        """Nothing is read yet."""
        self._query = request.GET
        self.unread: list[Unread] = []

    def choice(self, name: str, choices: Collection[str], label: str) -> str:
        """One of few words; empty when none was asked for, or one that is not among them."""
        text = self._query.get(name, "").strip()
        if not text or text in choices:
            return text
        self._leave_out(name, label, text, str(NO_SUCH_CHOICE))
        return ""

    def words(self, label: str, name: str = "q") -> str:
        """What is searched for."""
        text = self._query.get(name, "").strip()
        if NULL not in text:
            return text
        self._leave_out(name, label, text, str(NO_SUCH_WORDS))
        return ""

    def page(self, rows: QuerySet[M], field: str, *, descending: bool) -> KeysetPage[M]:
        """The rows of the page that is asked for, or of the first."""
        after, before = self._query.get("after", ""), self._query.get("before", "")
        page = keyset_page(rows, field, descending=descending, after=after, before=before)
        if lost := unread_place(page, after or before):
            self.unread.append(lost)
        return page

    def _leave_out(self, name: str, label: str, text: str, error: str) -> None:
        self.unread.append(Unread(name, label, text, error))


def refused(request: HttpRequest, unread: Sequence[Unread], back: str) -> HttpResponse:
    """Answer instead of a file: without what cannot be read it would hold more than was asked for."""
    return render(request, "dashboard/export_refused.html", {"unread": unread, "back": back}, status=400)


def unread_place(page: KeysetPage[M], place: str) -> Unread | None:
    """What is said of a page that was asked for by something that names no row."""
    if not place or page.was_found:
        return None
    return Unread("page", _("Page"), place, _("This is the first page."))
