"""Pure decisions: values in, values out. Nothing here does I/O, reads a clock or draws a random number."""
