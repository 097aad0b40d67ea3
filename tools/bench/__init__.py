"""``make bench``: how quick the pages are that staff wait for, measured beside a yardstick on the same data."""
