"""The refund panel, what comes of it, and the list and pages of refunds."""
