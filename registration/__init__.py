"""The business of orders, payments, refunds and credits; readable without knowing there is a website."""
