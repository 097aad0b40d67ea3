"""Things for those who work on Refund Desk; no part of what it runs on."""
