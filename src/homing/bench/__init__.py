"""Measures Homing on this machine: a mock vendor, a load generator, and one module a benchmark."""
