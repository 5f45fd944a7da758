"""The server REST API: the URLs, bodies and codes of the original product (rest-api sheet)."""
