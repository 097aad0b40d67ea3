"""Test payment methods and what each of them does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """What a test payment method looks like and how its charge and refunds end.

    Attributes:
        brand: Card network.
        last4: Last digits.
        decline: (code, decline_code, message) when charging fails.
        refund: ``succeed``, ``pending`` (later succeeds), ``fail`` (succeeds, later fails), ``pending_fail``
            (pending, later fails) or ``action`` (waits for the customer).
        dispute: (status, reason) of the dispute that follows a successful charge.
        authenticate: Whether the customer must act before the charge.
        funding: ``credit`` or ``debit``.
    """

    brand: str = "visa"
    last4: str = "4242"
    decline: tuple[str, str | None, str] | None = None
    refund: str = "succeed"
    dispute: tuple[str, str] | None = None
    authenticate: bool = False
    funding: str = "credit"


def _declined(last4: str, reason: str, message: str = "Your card was declined.") -> Card:
    return Card(last4=last4, decline=("card_declined", reason, message))


CARDS: dict[str, Card] = {
    "pm_card_visa": Card(),
    "pm_card_visa_debit": Card(last4="5556", funding="debit"),
    "pm_card_mastercard": Card(brand="mastercard", last4="4444"),
    "pm_card_amex": Card(brand="amex", last4="0005"),
    "pm_card_bypassPending": Card(last4="0077"),
    "pm_card_pendingRefund": Card(last4="7726", refund="pending"),
    "pm_card_refundFail": Card(last4="5126", refund="fail"),
    "pm_card_createDispute": Card(last4="0259", dispute=("needs_response", "fraudulent")),
    "pm_card_createDisputeProductNotReceived": Card(last4="2685", dispute=("needs_response", "product_not_received")),
    "pm_card_createDisputeInquiry": Card(last4="1976", dispute=("warning_needs_response", "fraudulent")),
    "pm_card_authenticationRequired": Card(last4="3184", authenticate=True),
    "pm_card_threeDSecure2Required": Card(last4="3220", authenticate=True),
    "pm_card_chargeDeclined": _declined("0002", "generic_decline"),
    "pm_card_visa_chargeDeclined": _declined("0002", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": _declined(
        "9995", "insufficient_funds", "Your card has insufficient funds."
    ),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declined(
        "9995", "insufficient_funds", "Your card has insufficient funds."
    ),
    "pm_card_visa_chargeDeclinedLostCard": _declined("9987", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": _declined("9979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": Card(last4="0069", decline=("expired_card", None, "Your card has expired.")),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        last4="0127", decline=("incorrect_cvc", None, "Your card's security code is incorrect.")
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        last4="0119", decline=("processing_error", None, "An error occurred while processing your card. Try again.")
    ),
    # Two of the sandbox's own, for states that Stripe offers no test card for.
    "pm_sandbox_pendingRefundFail": Card(last4="9001", refund="pending_fail"),
    "pm_sandbox_refundRequiresAction": Card(last4="9002", refund="action"),
}


def card_of(token: str | None) -> Card:
    """Return the behaviour of a test payment method; an unknown one behaves as ``pm_card_visa``."""
    return CARDS.get(token or "", CARDS["pm_card_visa"])
