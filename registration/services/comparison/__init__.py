"""Ledger and Stripe compared, charge by charge: ``run`` pages through both and repairs by the code that events use."""
