"""What services refuse, as sentences for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError

if TYPE_CHECKING:
    from registration.models import Credit, Order, Refund


class RefundError(ValidationError):
    """A refund or credit action was refused; nothing changed. The message says what to do."""

    def __init__(self, sentence: str) -> None:
        """Keep the sentence as staff read it."""
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        """The sentence alone."""
        return self.sentence


class StaleBalance(RefundError):  # noqa: N818
    """Someone else changed the order since the operator looked."""

    def __init__(self, sentence: str, order: Order) -> None:
        """Carry the order as it is now."""
        super().__init__(sentence)
        self.order = order


class RefundOutcome(RefundError):  # noqa: N818
    """An attempt that exists but did not simply succeed."""

    def __init__(self, sentence: str, refund: Refund) -> None:
        """Carry the refund that the sentence is about."""
        super().__init__(sentence)
        self.refund = refund


class DuplicateSubmit(RefundOutcome):
    """The same form was sent before; ``refund`` is what it made."""


class CreditIssuedBefore(RefundError):  # noqa: N818
    """The same form issued a credit before; ``credit`` is that one."""

    def __init__(self, sentence: str, credit: Credit) -> None:
        """Carry the credit that the first submit issued."""
        super().__init__(sentence)
        self.credit = credit


class StaleCredit(RefundError):  # noqa: N818
    """Someone else changed the credit since the operator looked."""


class RefundUnconfirmed(RefundOutcome):
    """Stripe gave no answer we can trust; the sum stays reserved and is being verified."""


class RefundProposed(RefundOutcome):
    """Above the limit of whoever asked: the sum is reserved, and a second person decides."""


class RefundHeld(RefundOutcome):
    """Decided and committed, and not sent before the time to undo it is over."""


class RefundRefused(RefundOutcome):
    """Stripe refused; no money moved and the sum is refundable again."""
