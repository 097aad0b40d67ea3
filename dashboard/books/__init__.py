"""The books: the trial balance, one account of it, and their files."""
