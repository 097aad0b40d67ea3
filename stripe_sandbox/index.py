"""The page at the root, for people who open the address in a browser."""

from __future__ import annotations

from . import API_VERSION
from .cards import CARDS
from .faults import ALL


def page(url: str) -> str:
    """Return a small page that cannot be taken for Stripe."""
    cards = "".join(f"<li><code>{name}</code></li>" for name in CARDS)
    faults = "".join(f"<li><code>{name}</code>: {text}</li>" for name, text in ALL.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>SIMULATED - stripe-sandbox</title></head>
<body style="font-family: sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem">
<h1 style="background: #b00020; color: white; padding: 1rem">SIMULATED. This is not Stripe. No money moves.</h1>
<p>A stand-in for Stripe's API <code>{API_VERSION}</code> at <code>{url}</code>, for tests and demonstrations.
Keys begin with <code>sk_test_sandbox_</code>. The control API is at <code>{url}/_sandbox/</code>.</p>
<h2>Test payment methods</h2><ul>{cards}</ul>
<h2>Faults to order</h2><ul>{faults}</ul>
</body></html>
"""
