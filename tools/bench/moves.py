"""What can happen to an order of a season: it is paid, refunded, credited, and somebody has to look."""

from __future__ import annotations

from typing import NamedTuple

from registration.models import Credit, CreditEntry, OpenItem, Payment, Refund, RefundPart
from registration.models.refund import URGENCY
from tools.bench.books import Books
from tools.bench.people import Person
from tools.bench.rows import moment, money
from tools.bench.sale import NOTED_STATES, OVER_STATES, UNDECIDED_STATES, Event, Note, Sale, Tender

State, Channel, Destination = RefundPart.State, RefundPart.Channel, Refund.Destination
Method, Kind = Payment.Method, CreditEntry.Kind
HOUR, DAY = 3600, 86_400
CARDS = ("visa", "4242"), ("mastercard", "4444"), ("visa", "5556"), ("amex", "0005"), ("visa", "1881"), ("visa", "8210")
RANK = {str(state): rank for rank, state in enumerate(URGENCY)}


class Share(NamedTuple):
    """One part of a refund to come."""

    tender: Tender
    amount: int
    state: str = State.SUCCEEDED
    channel: str = Channel.STRIPE


def price(books: Books) -> int:
    """What an order comes to, in cents."""
    return books.dice.randrange(5_000, 90_000)


def pay_card(books: Books, sale: Sale, amount: int, *, status: str = Payment.Status.SUCCEEDED) -> Tender:
    """A card payment."""
    brand, last4 = books.dice.choice(CARDS)
    captured = status == Payment.Status.SUCCEEDED
    tender = Tender(
        *(books.payments.next_key(), Method.STRIPE, amount, sale.at + 60, status, books.stripe_id("pi")),
        charge=books.stripe_id("ch") if captured else "",
        brand=brand if captured else "",
        last4=last4 if captured else "",
    )
    sale.tenders.append(tender)
    if captured:
        facts = books.facts(amount, instrument=f"{brand.title()} ending {last4}")
        sale.events.append(Event(tender.at, "payment_received", facts))
    return tender


def pay(books: Books, sale: Sale, method: str, amount: int) -> Tender:
    """A payment that Stripe has nothing to do with."""
    tender = Tender(books.payments.next_key(), method, amount, sale.at + 60)
    sale.tenders.append(tender)
    sale.events.append(Event(tender.at, "payment_received", books.facts(amount, instrument=str(Method(method).label))))
    return tender


def pay_credit(books: Books, sale: Sale, note: Note, amount: int) -> Tender:
    """A payment taken from a credit."""
    tender = Tender(books.payments.next_key(), Method.CREDIT, amount, sale.at + 60, credit_id=note.id)
    sale.tenders.append(tender)
    note.enter(Kind.APPLIED, -amount, tender.at, sale.id, tender.id)
    note.applied_to_order_id = sale.id
    if not note.remaining:
        note.status = Credit.Status.APPLIED
    facts = books.facts(amount, credit=f"CR-{note.id:04d}", due=money(sale.total - sale.paid))
    sale.events.append(Event(tender.at, "credit_applied", facts, books.dice.choice(books.staff_ids)))
    return tender


def refund(
    books: Books, sale: Sale, shares: list[Share], *, to: str = Destination.CARD, external: bool = False
) -> list[Note]:
    """A refund with its parts; returns the credits that come with it, which are not written down yet."""
    at = sale.at + books.dice.randrange(HOUR, 20 * DAY)
    amount = sum(share.amount for share in shares)
    state = min((share.state for share in shares), key=lambda each: RANK[str(each)])
    actor = None if external else books.dice.choice(books.staff_ids)
    key = books.refunds.add(
        uuid=books.uuid(),
        order_id=sale.id,
        amount=money(amount),
        currency=books.conference.currency,
        destination=to,
        source=Refund.Source.EXTERNAL if external else Refund.Source.DESK,
        state=state,
        reason="" if external else "Cannot attend",
        requested_by_id=actor,
        created_at=moment(at),
        updated_at=moment(at),
    )
    facts = books.facts(amount, number=f"RF-{key:04d}", destination=to, refundable=money(sale.refundable - amount))
    facts["total"] = money(sale.total)
    sale.events.append(Event(at, "refund_external" if external else "refund_requested", facts, actor, key))
    notes = [] if external else _notes_of(books, sale, key, shares, to, at)
    spendable = next((note.id for note in notes if note.status == Credit.Status.AVAILABLE), None)
    for share in shares:
        _part(books, sale, key, share, at, spendable)
    if state in (State.UNCONFIRMED, State.FAILED, State.AWAITING_APPROVAL) or external:
        kind = OpenItem.Kind.EXTERNAL if external else _item_kind(state)
        item(books, sale, kind, f"refund:{key}", amount, refund_id=key)
    return notes


def _item_kind(state: str) -> str:
    kinds = OpenItem.Kind
    named = {State.UNCONFIRMED: kinds.UNCONFIRMED, State.FAILED: kinds.FAILED, State.AWAITING_APPROVAL: kinds.APPROVAL}
    return named[State(state)]


def _part(books: Books, sale: Sale, refund_id: int, share: Share, at: int, spendable: int | None) -> None:
    by_stripe = share.channel == Channel.STRIPE
    unsent = share.state in (State.REQUESTED, State.AWAITING_APPROVAL, State.REJECTED)
    known = by_stripe and not unsent and share.state != State.UNCONFIRMED
    books.parts.add(
        uuid=books.uuid(),
        refund_id=refund_id,
        payment_id=share.tender.id,
        channel=share.channel,
        amount=money(share.amount),
        currency=books.conference.currency,
        state=share.state,
        credit_id=spendable if share.channel == Channel.STORE_CREDIT else None,
        stripe_refund_id=books.stripe_id("re") if known else None,
        stripe_request_id=books.stripe_id("req") if known else "",
        stripe_status=share.state if known else "",
        sent_at=None if unsent or not by_stripe else moment(at + 2),
        attempts=0 if unsent or not by_stripe else 1,
        settled_at=moment(at + 5) if share.state == State.SUCCEEDED or share.state in OVER_STATES else None,
        created_at=moment(at),
    )
    share.tender.count(share.amount, share.state)
    if by_stripe and not unsent:
        instrument = f"{share.tender.brand.title()} ending {share.tender.last4}"
        facts = books.facts(share.amount, instrument=instrument, cause="")
        sale.events.append(Event(at + 5, f"refund_part_{share.state}", facts, None, refund_id))


def _notes_of(books: Books, sale: Sale, refund_id: int, shares: list[Share], to: str, at: int) -> list[Note]:
    """The credit notes of a refund, once all of it is decided."""
    if any(share.state in UNDECIDED_STATES for share in shares):
        return []
    noted = [share for share in shares if share.state in NOTED_STATES]
    as_credit = sum(share.amount for share in noted if share.channel == Channel.STORE_CREDIT)
    back = sum(share.amount for share in noted if share.channel in (Channel.STRIPE, Channel.MANUAL))
    notes = []
    if as_credit:
        notes.append(issue(books, sale.person, as_credit, at + 5, Credit.Kind.REFUND, sale, refund_id))
    if back and to == Destination.CARD_AND_CREDIT:
        notes.append(issue(books, sale.person, back, at + 5, Credit.Kind.GOODWILL, sale, refund_id))
    elif back:
        note = Note(
            *(books.credits.next_key(), sale.person.user_id, back, at + 5, Credit.Kind.REFUND),
            source_order_id=sale.id,
            refund_id=refund_id,
        )
        note.empty(Kind.PAID_OUT, Credit.Status.PAID_OUT, at + 5)
        notes.append(note)
    return notes


def issue(
    books: Books,
    person: Person,
    amount: int,
    at: int,
    kind: str,
    sale: Sale | None = None,
    refund_id: int | None = None,
) -> Note:
    """A credit that can be spent for a year."""
    key = books.credits.next_key()
    note = Note(
        *(key, person.user_id, amount, at, kind),
        source_order_id=sale.id if sale else None,
        refund_id=refund_id,
        expires_at=at + 365 * DAY,
    )
    if sale:
        facts = books.facts(amount, credit=f"CR-{key:04d}")
        sale.events.append(Event(at, "credit_issued", facts, books.dice.choice(books.staff_ids), refund_id))
    return note


def item(books: Books, sale: Sale, kind: str, subject: str, amount: int, *, refund_id: int | None = None) -> None:
    """Something that waits for a person; most of what once waited is settled."""
    settled = books.dice.random() < 0.8
    books.items.add(
        conference_id=books.conference.pk,
        order_id=sale.id,
        refund_id=refund_id,
        kind=kind,
        subject=subject,
        facts=f'{{"amount": "{money(amount)}", "currency": "{books.conference.currency}"}}',
        opened_at=moment(sale.at + DAY),
        resolved_at=moment(sale.at + 2 * DAY) if settled else None,
        resolution="Agreed with the attendee." if settled else "",
    )


def finish(books: Books, sale: Sale, *notes: Note) -> None:
    """Write an order down, and the credits that came of it."""
    books.save_sale(sale)
    for note in notes:
        books.save_note(note)
