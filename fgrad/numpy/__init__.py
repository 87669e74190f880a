"""NumPy's functions, for concrete arrays and for tracers."""
