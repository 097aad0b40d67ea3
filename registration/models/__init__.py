"""The domain's tables, one file per noun."""

from registration.models.comparison import ComparisonMark, ComparisonRun, Difference
from registration.models.conference import Conference, Membership, RefundReason
from registration.models.credit import Credit, CreditEntry
from registration.models.history import HistoryEntry, Note
from registration.models.open_item import OpenItem
from registration.models.order import Order, OrderLineItem
from registration.models.payment import Payment
from registration.models.preference import Preference
from registration.models.refund import Refund, RefundLine, RefundPart
from registration.models.stripe_event import StripeEvent, WebhookRejection

__all__ = [
    "ComparisonMark",
    "ComparisonRun",
    "Conference",
    "Credit",
    "CreditEntry",
    "Difference",
    "HistoryEntry",
    "Membership",
    "Note",
    "OpenItem",
    "Order",
    "OrderLineItem",
    "Payment",
    "Preference",
    "Refund",
    "RefundLine",
    "RefundPart",
    "RefundReason",
    "StripeEvent",
    "WebhookRejection",
]
