"""The cast of the tests about proposals."""

from typing import TYPE_CHECKING, Any

import pytest

from registration.models import Order
from tests.registration.proposals import colleague, limited_order

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer


@pytest.fixture
def sam(db: None) -> Any:
    """Support, up to what their conference allows at once."""
    return colleague("sam", "Support")


@pytest.fixture
def grace(db: None) -> Any:
    """Finance."""
    return colleague("grace", "Finance")


@pytest.fixture
def order(sandbox: "SandboxServer") -> Order:
    """100.00 paid by card, of which support may refund 50.00 at once."""
    return limited_order(sandbox)
