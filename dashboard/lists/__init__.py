"""What every list is made of: filters in the address, pages, counts, table heads."""
