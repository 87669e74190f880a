"""Higher-order primitives, one per file."""
