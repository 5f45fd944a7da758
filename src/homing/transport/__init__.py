"""Outbound HTTP: pools, the address guard, vendor log-in grants, limits. Knows the model only."""
