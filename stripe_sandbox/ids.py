"""Identifiers that can be told from Stripe's at a glance."""

from __future__ import annotations

import hashlib
import secrets


def new_id(prefix: str) -> str:
    """Make a fresh identifier such as ``re_sim_3fa9…``; the mark says that it is simulated."""
    return f"{prefix}_sim_{secrets.token_hex(10)}"


def account_id(api_key: str) -> str:
    """Derive the account of a key, so that the key itself is never stored."""
    return "acct_sim_" + hashlib.sha256(api_key.encode()).hexdigest()[:16]
