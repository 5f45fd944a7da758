"""Where vendors report what became of a push."""
