"""The one door to Stripe: owns the official client and turns every outcome into done, refused or unknown.

Source of the outcome table: ``facts.md``, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import requests
import stripe
from django.conf import settings

from registration.checks import STRIPE, talks_to_stripe_itself
from registration.models import Conference, Payment, RefundPart
from registration.money import to_minor_units
from registration.said import Said, Sentence, say
from registration.stripe_snapshots import (
    ChargeSnapshot,
    DisputeSnapshot,
    IntentSnapshot,
    Page,
    RefundSnapshot,
    available_amounts,
    charge_snapshot,
    dispute_snapshot,
    intent_snapshot,
    refund_snapshot,
)

API_VERSION = "2026-10-28.endive"
PAGE = 100
"""The most that Stripe gives at once."""
CONNECT_SECONDS, READ_SECONDS, NETWORK_RETRIES = 3.05, 10.0, 1
"""Two tries of ten seconds stay under a web worker's patience; the resolver finishes what takes longer."""

stripe.enable_telemetry = False
T = TypeVar("T")
S = TypeVar("S")
Period = tuple[datetime | None, datetime]
"""From when on, if not from the start, and up to when."""


class StripeProblem(Exception):  # noqa: N818
    """Stripe did not do what was asked. ``code`` is Stripe's, ``advice`` is a sentence for staff."""

    def __init__(self, advice: Sentence, *, code: str = "", request_id: str = "", was_replayed: bool = False) -> None:
        """Keep what staff and support need."""
        super().__init__(str(advice))
        self.advice, self.code, self.request_id, self.was_replayed = advice, code, request_id, was_replayed


class StripeRefused(StripeProblem):
    """Definitely not done, and the same request would be refused again."""


class StripeBusy(StripeProblem):
    """Definitely not done by this call; the same key may be tried again."""


class StripeUnavailable(StripeProblem):
    """Unknown: it may or may not have happened."""


@lru_cache(maxsize=64)
def _client(secret_key: str, base: str) -> stripe.StripeClient:
    session = None
    if base != STRIPE:
        session = requests.Session()
        session.trust_env = False  # A proxy variable must not carry loopback calls away.
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
    return stripe.StripeClient(
        secret_key,
        base_addresses={"api": base},
        stripe_version=API_VERSION,
        max_network_retries=NETWORK_RETRIES,
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, READ_SECONDS), session=session),
    )


def gateway_for(conference: Conference) -> StripeGateway:
    """The door for one conference's Stripe account.

    Raises:
        StripeRefused: The conference has no key, or its live key would go to a base that is not Stripe's.
    """
    key = conference.stripe_secret_key
    if not key:
        raise StripeRefused(say("no_key"), code="no_key")
    if conference.uses_live_key and not talks_to_stripe_itself():
        raise StripeRefused(say("live_key"), code="livemode_mismatch")
    return StripeGateway(_client(key, settings.STRIPE_API_BASE or STRIPE))


class StripeGateway:
    """Calls of one Stripe account."""

    def __init__(self, client: stripe.StripeClient) -> None:
        """Keep the client."""
        self.client = client

    def send_refund(self, part: RefundPart) -> RefundSnapshot:
        """Ask Stripe for the refund that ``part`` describes, under the part's own key.

        Raises:
            StripeRefused: Stripe said no; no money moved.
            StripeBusy: Not done by this call; use the same key later.
            StripeUnavailable: No answer that can be trusted.
        """
        params: Any = refund_parameters(part)
        options: Any = {"idempotency_key": str(part.uuid)}
        return _translated(lambda: refund_snapshot(self.client.v1.refunds.create(params, options)))

    def fetch_refund(self, refund_id: str) -> RefundSnapshot:
        """One refund by its Stripe id."""
        return _translated(lambda: refund_snapshot(self.client.v1.refunds.retrieve(_present(refund_id))))

    def list_refunds(self, payment: Payment) -> list[RefundSnapshot]:
        """Every refund of one payment, newest first."""
        params: Any = {"limit": 100, **payment_reference(payment)}
        return _translated(lambda: [refund_snapshot(r) for r in self._pages(self.client.v1.refunds.list, params)])

    def list_refunds_of_charge(self, charge_id: str) -> list[RefundSnapshot]:
        """Every refund of one charge, newest first."""
        params: Any = {"limit": 100, "charge": _present(charge_id)}
        return _translated(lambda: [refund_snapshot(r) for r in self._pages(self.client.v1.refunds.list, params)])

    def refunds_page(self, period: Period, after: str = "") -> Page[RefundSnapshot]:
        """One page of the account's refunds that were made in a period, newest first."""
        return self._page(self.client.v1.refunds.list, refund_snapshot, period, after)

    def charges_page(self, period: Period, after: str = "") -> Page[ChargeSnapshot]:
        """One page of the account's charges that were made in a period, newest first."""
        return self._page(self.client.v1.charges.list, charge_snapshot, period, after)

    def disputes_page(self, period: Period, after: str = "") -> Page[DisputeSnapshot]:
        """One page of the account's disputes that were opened in a period, newest first."""
        return self._page(self.client.v1.disputes.list, dispute_snapshot, period, after)

    def fetch_charge(self, charge_id: str) -> ChargeSnapshot:
        """One charge by its Stripe id."""
        return _translated(lambda: charge_snapshot(self.client.v1.charges.retrieve(_present(charge_id))))

    def find_refund(self, part: RefundPart) -> RefundSnapshot | None:
        """The refund that carries this part's id in its metadata and is over its sum, if Stripe has one.

        Metadata can be copied by hand in Stripe's dashboard; ours was made first, and the list has it last.
        """
        mine = [s for s in self.list_refunds(part.payment) if s.metadata.get("part") == str(part.uuid)]
        same = [s for s in mine if (s.amount, s.currency) == (part.amount, part.currency)]
        return same[-1] if same else None

    def cancel_refund(self, refund_id: str) -> RefundSnapshot:
        """Cancel a refund that waits for the attendee."""
        return _translated(lambda: refund_snapshot(self.client.v1.refunds.cancel(_present(refund_id))))

    def fetch_payment_intent(self, intent_id: str) -> IntentSnapshot:
        """One payment intent with its latest charge."""
        options: Any = {"expand": ["latest_charge"]}
        return _translated(
            lambda: intent_snapshot(self.client.v1.payment_intents.retrieve(_present(intent_id), options))
        )

    def cancel_payment_intent(self, intent_id: str) -> IntentSnapshot:
        """Cancel an intent nobody paid yet."""
        return _translated(lambda: intent_snapshot(self.client.v1.payment_intents.cancel(_present(intent_id))))

    def fetch_dispute(self, dispute_id: str) -> DisputeSnapshot:
        """One dispute by its Stripe id."""
        return _translated(lambda: dispute_snapshot(self.client.v1.disputes.retrieve(_present(dispute_id))))

    def fetch_balance(self) -> dict[str, Decimal]:
        """What the account could pay out now, by currency (upper case), in major units."""
        return _translated(lambda: available_amounts(self.client.v1.balance.retrieve()))

    @staticmethod
    def _page(list_call: Callable[[Any], Any], read: Callable[[Any], S], period: Period, after: str) -> Page[S]:
        since, until = period
        created = {"lt": int(until.timestamp())} | ({"gte": int(since.timestamp())} if since else {})
        params: Any = {"limit": PAGE, "created": created} | ({"starting_after": after} if after else {})

        def one_page() -> Page[S]:
            listed = list_call(params)
            rows = [read(each) for each in listed.data]
            return Page(rows, listed.data[-1].id if rows and listed.has_more else "")

        return _translated(one_page)

    @staticmethod
    def _pages(list_call: Callable[[Any], Any], params: Any) -> Iterator[Any]:
        yield from list_call(params).auto_paging_iter()


def payment_reference(payment: Payment) -> dict[str, str]:
    """How Stripe is told which payment is meant."""
    if payment.stripe_payment_intent_id:
        return {"payment_intent": payment.stripe_payment_intent_id}
    return {"charge": _present(payment.stripe_charge_id)}


def refund_parameters(part: RefundPart) -> dict[str, Any]:
    """What is sent for a part. All of it is frozen when the part is written, so a resend is the same request."""
    refund = part.refund
    return {
        **payment_reference(part.payment),
        "amount": to_minor_units(part.amount, part.currency),
        "reason": refund.stripe_reason,
        "metadata": {"refund": str(refund.uuid), "part": str(part.uuid), "order": refund.order.reference},
    }


def _present(stripe_id: str) -> str:
    """Refuse an empty id, which the client would send as a list request."""
    if not stripe_id:
        raise StripeRefused(say("no_stripe_id"), code="no_stripe_id")
    return stripe_id


def _translated(call: Callable[[], T]) -> T:
    """Run one call and turn what the client raises into refused, busy or unknown."""
    try:
        return call()
    except stripe.IdempotencyError as error:
        raise StripeUnavailable(say("other_parameters"), **{**_details(error), "code": "idempotency_error"}) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise StripeRefused(say("bad_key"), **_details(error)) from error
    except stripe.RateLimitError as error:
        raise StripeBusy(say("busy"), **_details(error)) from error
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise StripeRefused(advice_for(error), **_details(error)) from error
    except stripe.StripeError as error:
        problem = StripeBusy if error.http_status == 409 else StripeUnavailable
        raise problem(say("no_answer"), **_details(error)) from error
    except (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, OSError) as error:
        raise StripeUnavailable(say("unreadable")) from error


def _details(error: stripe.StripeError) -> dict[str, Any]:
    headers = {str(key).lower(): value for key, value in dict(error.headers or {}).items()}
    return {
        "code": error.code or (error.error.code if error.error else "") or "",
        "request_id": error.request_id or "",
        "was_replayed": headers.get("idempotent-replayed") == "true",
    }


ADVICE = {
    "charge_already_refunded": "already_refunded",
    "charge_disputed": "disputed",
    "refund_disputed_payment": "disputed",
    "charge_not_refundable": "not_refundable",
    "resource_missing": "unknown_payment",
    "livemode_mismatch": "other_mode",
}
"""Stripe's codes and what we say about them."""


def advice_for(error: stripe.StripeError) -> Said:
    """What staff should know and do about a refusal; never decided by Stripe's wording."""
    if error.code in ADVICE:
        return say(ADVICE[error.code])
    return say("less_left" if getattr(error, "param", None) == "amount" else "refused")
