"""Saved work: pytrees of arrays in files, without pickle.

`save` writes parameters, states of optimizers and the like to an .npz or a safetensors file, `load` brings them back as
what they were, and `describe` lists what a file holds.
"""

from fgrad.io.loading import Contents, Entry, describe, load
from fgrad.io.saving import save

__all__ = ["Contents", "Entry", "describe", "load", "save"]
