"""fgrad against JAX, PyTorch, HIPS autograd and NumPy written by hand: `python benchmarks/run.py`."""
