"""Inbound HTTP: the REST API, the device API, receipts, health and metrics."""
