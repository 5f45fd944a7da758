"""Use cases. They know the rooms below through small protocols and hold no transport of their own."""
