"""Homing: an instant-messaging backend whose offline push reaches every phone."""

__version__ = "0.1.0"
