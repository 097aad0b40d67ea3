"""Who buys in a season: a few names that everybody has, and a long tail that hardly anybody has."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

from registration.search import fold

FIRST = (
    "Ada Grace Linus Priya Linnea Jürgen Chidi Aiko Zoë Björn Fatima Mateo Noor Élodie Ivan Mei Łucja Ravi Sanna Tomáš "
    "Inès Kofi Marta Yusuf Greta Diego Hana Søren Leila Pavel Ngozi Emre Olga Bram Sofia Anouk Viktor Amara Jonas Chen"
).split()
COMMON = (
    "Lovelace Hopper Okafor Sjöberg Müller Nakamura García Haddad Novák Silva Rossi Kowalska Smith Jansen Nguyen Kim "
    "Singh Brown Fischer Dubois Petrov Larsen Costa Yılmaz Cohen Moreau Weiß Andersson"
).split()
RARE = [
    "".join(syllables).capitalize()
    for syllables in product(
        "bar cor dal fen gor hal ker lin mor nav oster pel quin ros sal tor ul vor wen zan".split(),
        "a e i o u ae ei".split(),
        "bek dahl grim holt kamp lund mark nes quist rup stad thal vik wald zon".split(),
        ["", "er", "sen", "ski"],
    )
]
TRADES = "Nordwind Bluestone Kestrel Harbour Lumen Ostrava Pinecone Quarry Saffron Tidal Umbra Vertex".split()
KINDS = "Labs Systems Logistics Media Foods Energy Software Partners Optics Rail".split()
COMPANIES = [f"{trade} {kind}" for trade, kind in product(TRADES, KINDS)]
FREE_MAIL = ("post.example", "mail.example", "inbox.example")


@dataclass(slots=True)
class Person:
    """An attendee as their account and their bills name them."""

    user_id: int
    first: str
    last: str
    email: str
    company: str

    @property
    def name(self) -> str:
        """As on a bill."""
        return f"{self.first} {self.last}"


def make_person(dice: random.Random, user_id: int) -> Person:
    """Somebody new; half of them have a name that a few hundred in a million have."""
    first = dice.choice(FIRST)
    last = dice.choice(COMMON if dice.random() < 0.5 else RARE)
    company = dice.choice(COMPANIES) if dice.random() < 0.3 else ""
    domain = f"{company.lower().replace(' ', '-')}.example" if company else dice.choice(FREE_MAIL)
    name = f"{fold(first)}.{fold(last)}"
    return Person(user_id, first, last, f"{name}.{user_id}@{domain}", company)
