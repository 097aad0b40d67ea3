"""What Stripe says of its objects, in our terms: ``Decimal`` in major units, ISO currency, aware datetimes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from registration.money import from_minor_units


@dataclass(frozen=True)
class RefundSnapshot:
    """A refund as Stripe has it now; ``amount`` in major units of ``currency`` (upper case)."""

    id: str
    status: str
    amount: Decimal
    currency: str
    charge_id: str
    payment_intent_id: str
    created: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    failure_reason: str = ""
    pending_reason: str = ""
    trace_reference: str = ""
    act_by: datetime | None = None
    request_id: str = ""


@dataclass(frozen=True)
class IntentSnapshot:
    """A payment intent as Stripe has it now; ``amount`` in major units, what was received when it succeeded."""

    id: str
    status: str
    amount: Decimal
    currency: str
    charge_id: str
    livemode: bool
    card_brand: str = ""
    card_last4: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    charged_at: datetime | None = None
    """When its latest charge was made, where that was asked for."""


@dataclass(frozen=True)
class DisputeSnapshot:
    """A dispute as Stripe has it now; ``amount`` in major units, ``due_by`` when evidence is due."""

    id: str
    charge_id: str
    payment_intent_id: str
    status: str
    reason: str
    amount: Decimal
    currency: str
    due_by: datetime | None
    is_charge_refundable: bool
    opened: int | None = None
    """When it was opened (epoch seconds); it never changes."""


@dataclass(frozen=True)
class ChargeSnapshot:
    """A charge as Stripe has it now; ``amount`` in major units: what was captured, or was to be when nothing was."""

    id: str
    status: str
    is_captured: bool
    amount: Decimal
    currency: str
    payment_intent_id: str

    @property
    def has_arrived(self) -> bool:
        """Whether its money was taken from the card."""
        return self.status == "succeeded" and self.is_captured


S = TypeVar("S")


@dataclass(frozen=True)
class Page(Generic[S]):
    """One page of a list at Stripe, newest first; ``after`` is where the next begins, empty at the end."""

    rows: list[S]
    after: str


def _text(source: Any, name: str) -> str:
    value = getattr(source, name, None) if source is not None else None
    if value is None:
        return ""
    return value if isinstance(value, str) else str(getattr(value, "id", ""))


def _metadata(source: Any) -> dict[str, str]:
    metadata = getattr(source, "metadata", None)
    return dict(metadata.to_dict()) if metadata else {}


def refund_snapshot(refund: Any) -> RefundSnapshot:
    """Read a Stripe refund object."""
    details = getattr(refund, "destination_details", None)
    currency = refund.currency.upper()
    response = getattr(refund, "last_response", None)
    asked = getattr(getattr(refund, "next_action", None), "display_details", None)
    act_by = getattr(asked, "expires_at", None)
    return RefundSnapshot(
        id=refund.id,
        status=_text(refund, "status"),
        amount=from_minor_units(refund.amount, currency),
        currency=currency,
        charge_id=_text(refund, "charge"),
        payment_intent_id=_text(refund, "payment_intent"),
        created=datetime.fromtimestamp(refund.created, UTC),
        metadata=_metadata(refund),
        failure_reason=_text(refund, "failure_reason"),
        pending_reason=_text(refund, "pending_reason"),
        trace_reference=_text(getattr(details, "card", None), "reference"),
        act_by=datetime.fromtimestamp(act_by, UTC) if act_by else None,
        request_id=(response.request_id or "") if response else "",
    )


def intent_snapshot(intent: Any) -> IntentSnapshot:
    """Read a Stripe payment intent object, with its charge when that was expanded."""
    charge = getattr(intent, "latest_charge", None)
    details = getattr(charge, "payment_method_details", None)
    card = getattr(details, "card", None)
    currency = intent.currency.upper()
    charged = getattr(charge, "created", None)
    received = intent.amount_received if intent.status == "succeeded" else intent.amount
    return IntentSnapshot(
        id=intent.id,
        status=intent.status,
        amount=from_minor_units(received, currency),
        currency=currency,
        charge_id=_text(intent, "latest_charge"),
        livemode=bool(intent.livemode),
        card_brand=_text(card, "brand"),
        card_last4=_text(card, "last4"),
        metadata=_metadata(intent),
        charged_at=datetime.fromtimestamp(charged, UTC) if charged else None,
    )


def dispute_snapshot(dispute: Any) -> DisputeSnapshot:
    """Read a Stripe dispute object."""
    due_by = getattr(getattr(dispute, "evidence_details", None), "due_by", None)
    currency = dispute.currency.upper()
    return DisputeSnapshot(
        id=dispute.id,
        charge_id=_text(dispute, "charge"),
        payment_intent_id=_text(dispute, "payment_intent"),
        status=dispute.status,
        reason=_text(dispute, "reason"),
        amount=from_minor_units(dispute.amount, currency),
        currency=currency,
        due_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
        is_charge_refundable=bool(dispute.is_charge_refundable),
        opened=dispute.created,
    )


def charge_snapshot(charge: Any) -> ChargeSnapshot:
    """Read a Stripe charge object."""
    currency = charge.currency.upper()
    is_captured = bool(charge.captured)
    return ChargeSnapshot(
        id=charge.id,
        status=_text(charge, "status"),
        is_captured=is_captured,
        amount=from_minor_units(charge.amount_captured if is_captured else charge.amount, currency),
        currency=currency,
        payment_intent_id=_text(charge, "payment_intent"),
    )


def available_amounts(balance: Any) -> dict[str, Decimal]:
    """Read what is available of a Stripe balance object, by currency (upper case), in major units."""
    return {each.currency.upper(): from_minor_units(each.amount, each.currency.upper()) for each in balance.available}
