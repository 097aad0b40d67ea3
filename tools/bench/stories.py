"""What happens to the orders of a season: most are paid and left alone, some of everything else."""

from __future__ import annotations

from collections.abc import Callable

from registration.models import Credit, CreditEntry, OpenItem, Order, Payment, Refund, RefundPart
from tools.bench.books import Books
from tools.bench.moves import (
    DAY,
    Share,
    finish,
    issue,
    item,
    pay,
    pay_card,
    pay_credit,
    price,
    refund,
)
from tools.bench.people import Person
from tools.bench.sale import Event, Note

State, Channel, Destination = RefundPart.State, RefundPart.Channel, Refund.Destination
Method, Kind = Payment.Method, CreditEntry.Kind

Story = Callable[[Books, Person, int], None]

BY_CARD = {
    State.AWAITING_APPROVAL: 2,
    State.REQUESTED: 1,
    State.UNCONFIRMED: 2,
    State.PENDING: 4,
    State.REQUIRES_ACTION: 1,
    State.SUCCEEDED: 84,
    State.FAILED: 4,
    State.CANCELED: 1,
    State.REJECTED: 1,
}
"""How often a refund to a card is in each state."""


def plain(books: Books, person: Person, at: int) -> None:
    """Paid by card."""
    sale = books.sale(person, at, price(books))
    pay_card(books, sale, sale.total)
    finish(books, sale)


def otherwise_paid(books: Books, person: Person, at: int) -> None:
    """Paid at the desk, by bank or not at all."""
    sale = books.sale(person, at, price(books))
    pay(books, sale, books.dice.choice((Method.TERMINAL, Method.MANUAL, Method.COMP)), sale.total)
    finish(books, sale)


def unpaid(books: Books, person: Person, at: int) -> None:
    """Waiting for its payment, or given up."""
    status, tried = books.dice.choice(
        ((Order.Status.PENDING, Payment.Status.PENDING), (Order.Status.CANCELLED, Payment.Status.FAILED))
    )
    sale = books.sale(person, at, price(books), status=status)
    if status == Order.Status.PENDING:
        sale.hold_until = at + 90 * DAY
    else:
        sale.events.append(Event(at + DAY, "order_released", {"reason": "Not paid in time."}))
    if books.dice.random() < 0.5:
        pay_card(books, sale, sale.total, status=tried)
    finish(books, sale)


def refunded(books: Books, person: Person, at: int) -> None:
    """Sent back to the card, whole or in part, with every way it can stand."""
    sale = books.sale(person, at, price(books))
    tender = pay_card(books, sale, sale.total)
    part = sale.total if books.dice.random() < 0.4 else books.dice.randrange(100, sale.total)
    state = books.dice.choices(list(BY_CARD), weights=list(BY_CARD.values()))[0]
    notes = refund(books, sale, [Share(tender, part, state)])
    if sale.refundable > 200 and books.dice.random() < 0.2:
        notes += refund(books, sale, [Share(tender, sale.refundable // 2)])
    finish(books, sale, *notes)


def refunded_elsewhere(books: Books, person: Person, at: int) -> None:
    """Refunded in Stripe's own dashboard."""
    sale = books.sale(person, at, price(books))
    tender = pay_card(books, sale, sale.total)
    finish(books, sale, *refund(books, sale, [Share(tender, sale.total)], external=True))


def two_cards(books: Books, person: Person, at: int) -> None:
    """Paid by two cards, and some of both sent back."""
    sale = books.sale(person, at, price(books))
    first, second = (pay_card(books, sale, half) for half in (sale.total // 2, sale.total - sale.total // 2))
    finish(books, sale, *refund(books, sale, [Share(first, first.amount), Share(second, second.amount // 3)]))


def failed_late(books: Books, person: Person, at: int) -> None:
    """Accepted by Stripe, failed at the bank: the note that recorded it is void."""
    sale = books.sale(person, at, price(books))
    tender = pay_card(books, sale, sale.total)
    refund(books, sale, [Share(tender, sale.total, State.FAILED)])
    note = Note(
        *(books.credits.next_key(), person.user_id, sale.total, at + DAY, Credit.Kind.REFUND),
        source_order_id=sale.id,
        refund_id=books.refunds.last,
    )
    note.empty(Kind.PAID_OUT, Credit.Status.VOIDED, at + DAY)
    finish(books, sale, note)


def card_and_credit(books: Books, person: Person, at: int) -> None:
    """Refunded to the card, and the same again as a gift."""
    sale = books.sale(person, at, price(books))
    tender = pay_card(books, sale, sale.total)
    finish(books, sale, *refund(books, sale, [Share(tender, sale.total)], to=Destination.CARD_AND_CREDIT))


def to_credit(books: Books, person: Person, at: int) -> None:
    """Refunded as credit; half of the time it pays for something else, and sometimes that goes back as well."""
    sale = books.sale(person, at, price(books))
    tender = pay_card(books, sale, sale.total)
    part = Share(tender, books.dice.randrange(100, sale.total), channel=Channel.STORE_CREDIT)
    (note,) = refund(books, sale, [part], to=Destination.CREDIT)
    books.save_sale(sale)
    if books.dice.random() < 0.5:
        _spend(books, person, at + 25 * DAY, note)
    books.save_note(note)


def _spend(books: Books, person: Person, at: int, note: Note) -> None:
    other = books.sale(person, at, price(books))
    used = pay_credit(books, other, note, min(note.remaining, other.total))
    if used.amount < other.total:
        pay_card(books, other, other.total - used.amount)
    if books.dice.random() < 0.2:
        refund(books, other, [Share(used, used.amount, channel=Channel.CREDIT_RETURN)], to=Destination.CREDIT)
        note.enter(Kind.RESTORED, used.amount, at + DAY, other.id)
        note.status = Credit.Status.AVAILABLE
    books.save_sale(other)


def goodwill(books: Books, person: Person, at: int) -> None:
    """A gift beside an order; some of it lapsed, some was taken back."""
    sale = books.sale(person, at, price(books))
    pay_card(books, sale, sale.total)
    note = issue(books, person, books.dice.randrange(500, 5_000), at + DAY, Credit.Kind.GOODWILL, sale)
    end = books.dice.random()
    if end < 0.1:
        note.empty(Kind.EXPIRED, Credit.Status.EXPIRED, at + 2 * DAY)
    elif end < 0.2:
        note.empty(Kind.VOIDED, Credit.Status.VOIDED, at + 2 * DAY)
    finish(books, sale, note)


def overpaid(books: Books, person: Person, at: int) -> None:
    """Paid twice, which an item says."""
    sale = books.sale(person, at, price(books))
    pay_card(books, sale, sale.total)
    tender = pay_card(books, sale, sale.total)
    item(books, sale, OpenItem.Kind.OVERPAID, f"payment:{tender.id}", sale.total)
    finish(books, sale)


def disputed(books: Books, person: Person, at: int) -> None:
    """The attendee asked their bank to take it back."""
    sale = books.sale(person, at, price(books))
    tender = pay_card(books, sale, sale.total)
    tender.dispute = (
        f'{{"id": "{books.stripe_id("dp")}", "status": "needs_response", "reason": "fraudulent", '
        f'"due_by": {at + 30 * DAY}, "is_charge_refundable": false}}'
    )
    item(books, sale, OpenItem.Kind.DISPUTED, f"payment:{tender.id}", sale.total)
    finish(books, sale)


STORIES: dict[Story, int] = {
    plain: 800,
    otherwise_paid: 40,
    unpaid: 45,
    refunded: 60,
    refunded_elsewhere: 4,
    two_cards: 5,
    failed_late: 2,
    card_and_credit: 4,
    to_credit: 20,
    goodwill: 15,
    overpaid: 2,
    disputed: 3,
}
"""How often each happens, out of a thousand."""
