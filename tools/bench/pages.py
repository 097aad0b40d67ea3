"""Every page of the desk, and the ways to ask for the list that staff use all day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, URLPattern, reverse

from dashboard.lists.tables import SORTS
from dashboard.refunds.filter import STATES
from dashboard.urls import urlpatterns
from registration.models import (
    Credit,
    OpenItem,
    Order,
    Payment,
    RefundPart,
    StripeEvent,
)
from tools.bench.clock import Asked
from tools.bench.figures import Target
from tools.bench.season import LONG_REFERENCE

HTMX = {"HX-Request": "true"}
LIST = HTMX | {"HX-Target": "orders"}
MEASURED_APART = {"stripe_webhook", "home", "login", "logout"}

FLOORS = {
    "list": Target(3, "at most 3 F"),
    "search": Target(3.5, "at most 3.5 F"),
    "row": Target(1.5, "at most 1.5 F"),
    "live": Target(0.7, "at most 0.7 F"),
    "page": Target(4, "at most 4 F"),
}
OF_FIRST = Target(1.2, "at most 1.2 first pages")


@dataclass(frozen=True)
class Page:
    """Something to ask for, what it may cost, and what it is measured against."""

    name: str
    asked: Asked
    target: Target | None = None
    against_first: bool = False
    most_queries: int | None = None


BY_ATTENDEE = ("last name", "full name", "email before the @", "email after the @", "reference", "no match")
"""Forms of search that the list of refunds knows as well."""


class Samples:
    """Rows of the season to ask for."""

    def __init__(self) -> None:
        middle = Order.objects.order_by("pk")[Order.objects.count() // 2].pk
        paid = Order.objects.filter(pk__gte=middle, status=Order.Status.PAID, payments__method=Payment.Method.STRIPE)
        self.plain = paid.filter(billing_company__gt="").order_by("pk").select_related("user")[0]
        sent = RefundPart.objects.filter(state=RefundPart.State.SUCCEEDED, stripe_refund_id__isnull=False)
        self.part = sent.order_by("pk").select_related("refund__order")[sent.count() // 2]
        self.refund = self.part.refund
        self.payment = self.plain.payments.get()
        self.pending = Order.objects.filter(status=Order.Status.PENDING).order_by("-pk")[0]
        self.credit = Credit.objects.filter(status=Credit.Status.AVAILABLE).order_by("-pk")[0]
        self.long = Order.objects.select_related("user").get(reference=LONG_REFERENCE)
        self.item = OpenItem.objects.unresolved().order_by("-pk")[0]
        self.event = StripeEvent.objects.order_by("-pk")[0]

    def key_for(self, name: str) -> Any:
        """The key that a page of this name takes."""
        attendee = self.plain.user
        kinds = {"credit_issue": attendee, "attendee": attendee, "credit": self.credit, "refund": self.refund}
        kinds |= {
            "event": self.event,
            "attention": self.item,
            "manual": self.part,
            "part": self.part,
            "order": self.plain,
        }
        return next((row.pk for kind, row in kinds.items() if name.startswith(kind)), self.plain.pk)


def search_forms(samples: Samples) -> dict[str, str]:
    """What staff type, by what it is."""
    order = samples.plain
    first, last = order.billing_name.split(" ", 1)
    before, after = order.billing_email.split("@")
    return {
        "last name": last,
        "full name": f"{first} {last}",
        "email before the @": before.rsplit(".", 1)[0],
        "email after the @": after,
        "reference": order.reference,
        "Stripe id": samples.payment.stripe_payment_intent_id,
        "Stripe refund id": samples.part.stripe_refund_id or "",
        "card's last four digits": samples.payment.card_last4,
        "somebody and what they paid": f"{last} {int(order.total)}",
        "a card and its brand": f"{samples.payment.card_brand} {samples.payment.card_last4}",
        "two letters": last[:2].lower(),
        "no match": "zzyzxqq",
    }


def listing(**query: str) -> str:
    """The address of the list."""
    return f"{reverse('order_list')}?{urlencode(query)}" if query else reverse("order_list")


def list_pages(samples: Samples) -> Iterator[Page]:
    """The list: whole, deep, by every sort, through every filter."""
    yield Page("Orders, first page", Asked(listing()), FLOORS["list"], most_queries=6)
    yield Page("Orders, the list alone (htmx)", Asked(listing(), LIST), FLOORS["list"])
    deep = samples.plain
    token = f"{deep.created_at.isoformat()}~{deep.pk}"
    yield Page("Orders, a page from the middle", Asked(listing(after=token)), OF_FIRST, against_first=True)
    yield Page("Orders, the page before it", Asked(listing(before=token)), OF_FIRST, against_first=True)
    for name, (field, _falls) in SORTS.items():
        value = getattr(deep, field)
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        for sort in (name, f"-{name}"):
            yield Page(f"Orders, sorted by {sort}", Asked(listing(sort=sort)), OF_FIRST, against_first=True)
            query = {"sort": sort, "after": f"{text}~{deep.pk}"}
            yield Page(f"Orders, sorted by {sort}, deep", Asked(listing(**query)), OF_FIRST, against_first=True)
    for words, query in filters(samples).items():
        yield Page(f"Orders, {words}", Asked(listing(**query)), OF_FIRST, against_first=True)


def filters(samples: Samples) -> dict[str, dict[str, str]]:
    """Every filter, and some together."""
    day = samples.plain.created_at.date().isoformat()
    found = {f"status {status}": {"status": status} for status in Order.Status.values}
    found |= {f"paid by {method}": {"method": method} for method in Payment.Method.values}
    found |= {"refundable": {"refundable": "true"}, "not refundable": {"refundable": "false"}}
    found |= {"needs attention": {"attention": "any"}, "refund failed": {"attention": OpenItem.Kind.FAILED}}
    found |= {"since": {"since": day}, "until": {"until": day}, "one day": {"since": day, "until": day}}
    found |= {"total from": {"least": "850"}, "total to": {"most": "60"}}
    found["refunded, sorted by refunded"] = {"status": Order.Status.REFUNDED, "sort": "-refunded"}
    return found


def refund_lists(samples: Samples) -> Iterator[Page]:
    """The list of refunds through its filters, as far as something leads to what they find."""
    day = samples.refund.created_at.date().isoformat()
    by = str(samples.refund.requested_by_id or "nobody")
    asked = {f"state {state}": {"state": state} for state in STATES}
    asked |= {"since": {"since": day}, "until": {"until": day}, "one day": {"since": day, "until": day}}
    asked |= {"by one person": {"by": by}, "their failed ones": {"by": by, "state": "failed"}}
    asked |= {
        "amounts": {"least": "10", "most": "500"},
        "to cards": {"to": "card"},
        "a number": {"q": samples.refund.number},
    }
    asked |= {"one day, by hand": {"since": day, "until": day, "to": "manual"}}
    typed = search_forms(samples)
    asked |= {f"found by {name}": {"q": typed[name]} for name in BY_ATTENDEE}
    asked["found by name and state"] = {"q": typed["full name"], "state": "failed"}
    for words, query in asked.items():
        yield Page(f"Refunds, {words}", Asked(f"{reverse('refund_list')}?{urlencode(query)}"), FLOORS["page"])


def live_check(shown: str) -> Asked:
    """What an open page of the list, given as HTML, asks every few seconds."""
    found = re.search(r'data-live="([^"]+)" data-at="([^"]*)" data-page="([^"]*)"[^>]* data-mark="([^"]*)"', shown)
    if found is None:
        raise SystemExit("The page of orders does not say how to ask for news.")
    rows = ",".join(re.findall(r'<tr id="(order-[^"]+)"', shown))
    query = {"at": found[2], "page": found[3], "mark": found[4], "shown": rows}
    return Asked(f"{found[1]}?{urlencode(query)}", HTMX, status=204)


def other_pages(samples: Samples, shown: str) -> Iterator[Page]:
    """What is done with a row, and the pages behind it; ``shown`` is the page of orders."""
    order, person = samples.plain, samples.long.user
    yield Page("Row of an order", Asked(reverse("order_row", args=[order.reference])), FLOORS["row"])
    yield Page("Live check, nothing new", live_check(shown), FLOORS["live"])
    orders = {"an order": order, "a refunded order": samples.refund.order, "an order with a long history": samples.long}
    for words, each in orders.items():
        asked = Asked(reverse("order_detail", args=[each.reference]))
        yield Page(f"Page of {words}", asked, FLOORS["page"], most_queries=12)
    for words, user in (("an attendee", order.user), ("an attendee with a long history", person)):
        asked = Asked(reverse("attendee_detail", args=[user.pk]))
        yield Page(f"Page of {words}", asked, FLOORS["page"], most_queries=12)
    for words, text in search_forms(samples).items():
        if "@" in words or "name" in words or words in ("two letters", "no match"):
            asked = Asked(f"{reverse('attendee_search')}?{urlencode({'q': text})}", HTMX)
            yield Page(f"Credit look-up, {words}", asked, FLOORS["page"], most_queries=12)
    preview = {"mode": "custom", "amount": "10.00", "destination": "CARD"}
    asked = Asked(reverse("refund_preview", args=[order.reference]), HTMX, preview)
    yield Page("Refund preview", asked)


def remaining_pages(samples: Samples, covered: set[str]) -> Iterator[Page]:
    """Whatever else can be looked at, found by its name, so that a new page is measured without being told."""
    for pattern in urlpatterns:
        name = pattern.name if isinstance(pattern, URLPattern) else None
        if name and name not in covered | MEASURED_APART and not name.endswith("_export"):
            path = path_of(name, samples)
            if path:
                yield Page(f"Page {name}", Asked(path))


def path_of(name: str, samples: Samples) -> str:
    """The address of a page about a row of the season."""
    order = samples.pending if name == "credit_apply" else samples.plain
    for arguments in ([], [order.reference], [samples.key_for(name)]):
        try:
            return reverse(name, args=arguments)
        except NoReverseMatch:
            continue
    return ""
