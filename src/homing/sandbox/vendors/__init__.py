"""One simulator a vendor, written from the vendor sheets."""
