"""Control flow: what decides and loops by values that may be traced."""

from fgrad.control.cond import cond, switch
from fgrad.control.custom_linear_solve import custom_linear_solve
from fgrad.control.custom_root import custom_root
from fgrad.control.fori_loop import fori_loop
from fgrad.control.map import map
from fgrad.control.scan import scan
from fgrad.control.while_loop import while_loop

__all__ = ["cond", "custom_linear_solve", "custom_root", "fori_loop", "map", "scan", "switch", "while_loop"]
