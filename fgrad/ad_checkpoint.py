"""Rematerialization: computing values again instead of keeping them."""

from fgrad.control import checkpoint_policies
from fgrad.control.checkpoint import checkpoint, remat
from fgrad.control.checkpoint_name import checkpoint_name

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "remat"]
