"""Vendor protocols without I/O: one file a vendor, plus what they share."""
