"""A simulated Stripe for tests and demonstrations: loopback only, standard library only."""

API_VERSION = "2026-10-28.endive"
SERVER_NAME = "stripe-sandbox (simulated)"
DEFAULT_ACCOUNT_KEY = "sk_test_sandbox_demo"
