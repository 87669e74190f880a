"""From jaxprs to NumPy code: one pass per file."""
