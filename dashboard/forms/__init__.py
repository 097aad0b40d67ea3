"""What staff fill in: forms check the shape, services check the rules."""
