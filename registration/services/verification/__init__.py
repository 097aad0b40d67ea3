"""Whether the ledger agrees with itself: ``run`` works every kept figure out again from the rows it comes from."""
