"""Hints between nodes: deliveries for sockets, wake-ups of lanes, cache announcements. Losing one costs latency, never a message."""
