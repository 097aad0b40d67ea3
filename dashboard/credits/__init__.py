"""Store credit: its look-up, its panels and its file."""
