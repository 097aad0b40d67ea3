"""Customers, as far as payments need them."""

from __future__ import annotations

from . import events
from .context import Context
from .forms import LIST, METADATA, STRING, UNSUPPORTED, Kind, merge_metadata
from .ids import new_id
from .objects import Wire, wire

CREATE: dict[str, Kind] = {
    "expand": LIST,
    "metadata": METADATA,
    **dict.fromkeys(("email", "name", "phone", "description"), STRING),
    **dict.fromkeys(
        (
            "address balance business_name cash_balance individual_name invoice_prefix invoice_settings"
            " next_invoice_sequence payment_method preferred_locales shipping source tax tax_exempt tax_id_data"
            " test_clock validate"
        ).split(),
        UNSUPPORTED,
    ),
}


def create(ctx: Context) -> Wire:
    """Create a customer."""
    params = ctx.params
    record = {
        "id": new_id("cus"),
        "created": ctx.now(),
        "metadata": merge_metadata({}, params.get("metadata")),
        **{name: params.get(name) or None for name in ("email", "name", "phone", "description")},
    }
    ctx.put("customer", record)
    events.emit(ctx, "customer.created", "customer", record)
    return wire(ctx, "customer", record)
