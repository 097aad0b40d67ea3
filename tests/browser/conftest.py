"""Who has ordered what, so that there is somebody to find."""

from typing import TYPE_CHECKING, Any

import pytest

from registration.models import Conference, Order
from tests.cast import make_order, make_user

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer


@pytest.fixture
def crowd(conference: Conference, ada: Any) -> list[Order]:
    """Orders of other people, around the one that is looked for."""
    people = [make_user("mary", "Somerville"), make_user("sofja", "Kowalewskaja"), make_user("hedy", "Lamarr")]
    return [make_order(conference, person, paid="80.00") for person in people]


@pytest.fixture
def linnea(db: None) -> Any:
    """An attendee whose name not everybody can type."""
    return make_user("linnea", "Sjöberg")


@pytest.fixture
def paid_order(conference: Conference, linnea: Any, crowd: list[Order], sandbox: "SandboxServer") -> Order:
    """Linnea's order, 120.00 paid by a card that Stripe's stand-in knows."""
    return make_order(conference, linnea, paid="120.00", sandbox=sandbox)


@pytest.fixture
def unpaid_order(conference: Conference, linnea: Any, crowd: list[Order]) -> Order:
    """Linnea's order of 50.00 that waits for its payment."""
    return make_order(conference, linnea, total="50.00")
