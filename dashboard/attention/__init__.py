"""What waits for somebody: the queues, Stripe's events and the comparison with Stripe."""
