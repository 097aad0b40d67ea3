"""One module per resource: requests in, calls to services, answers out."""
