"""The orders list and the page of one order."""
