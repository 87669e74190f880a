"""The functions of `jax.lax`: strict counterparts of those in `fgrad.numpy`, structured control flow, convolutions.

What is here does not promote: operands have one dtype, and as many axes, or none. Names, arguments and results are
those of `jax.lax`.
"""

from fgrad.control.stop_gradient import stop_gradient as stop_gradient
from fgrad.lax.associative import *
from fgrad.lax.barriers import *
from fgrad.lax.control import *
from fgrad.lax.convolution import *
from fgrad.lax.creation import *
from fgrad.lax.elementwise import *
from fgrad.lax.gathering import *
from fgrad.lax.parallel import *
from fgrad.lax.products import *
from fgrad.lax.reducing import *
from fgrad.lax.reductions import *
from fgrad.lax.selection import *
from fgrad.lax.shapes import *
from fgrad.lax.slicing import *
from fgrad.lax.sorting import *
from fgrad.lax.special import *
from fgrad.lax.windows import *
