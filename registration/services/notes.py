"""Internal notes of staff."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from registration.models import Note, Order
from registration.services.errors import RefundError
from registration.services.history import record


@transaction.atomic
def add_note(order: Order, *, text: str, staff_user: Any) -> Note:
    """Keep a note on an order.

    Raises:
        RefundError: The note is empty.
    """
    text = text.strip()
    if not text:
        raise RefundError(_("Write something first."))
    locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    note = Note.objects.create(conference=locked.conference, order=locked, text=text, author=staff_user)
    record(locked, "note_added", actor=staff_user, facts={"note": text})
    return note
