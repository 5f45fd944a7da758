"""Plain values: what the rest of Homing talks about. Nothing here does I/O."""
