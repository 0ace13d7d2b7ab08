"""The workers' network: addresses, endpoints and egress."""
