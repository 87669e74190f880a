"""The primitives, one family per file."""
