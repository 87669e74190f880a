"""Mapping over unit directions: what is known to be zero is neither computed nor stored.

The interpreter is that of `vmap`, with one more kind of state: blocks (see `blocks.py`). What is mapped over the unit
directions of its inputs is linear in them, so that every rule is about a sum of blocks. An operation without a rule is
applied to the whole array, by its own rule for one more axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Tracer, lift
from fgrad.core.primitive import Primitive
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import mul
from fgrad.primitives.families import shape_of
from fgrad.primitives.indexing import place
from fgrad.primitives.shape import move_axis
from fgrad.transforms.batch import Batch
from fgrad.transforms.block_rules import block_rules, combined, keep_weights
from fgrad.transforms.blocks import Block, is_plain, sides, total, unit_blocks, weighed

__all__ = ["along_units"]

_MOST = 8
"""More blocks than these are put together: each is computed with apart."""


class Blocks(NamedTuple):
    """The state of a sum of blocks, and what it stands for along one direction."""

    aval: ShapedArray
    blocks: tuple[Block, ...]


class Directions(Batch):
    """Runs every operation along all unit directions."""

    def step(self, primitive: Primitive, states: list[Any], params: dict[str, Any]) -> Any:
        if Blocks in map(type, states) or self._spreads(primitive, states, params):
            rule = block_rules.get(primitive)
            if rule is not None:
                avals = [self.aval(state) for state in states]
                out = primitive.shape(*avals, **params)
                blocks = rule(primitive, [self._operand(state, primitive) for state in states], avals, out, params)
                if blocks is not None:
                    return self._settled(ShapedArray(out.shape, out.dtype), blocks)
            states = [self.whole(state) for state in states]
        return super().step(primitive, states, params)

    def aval(self, state: Any) -> ShapedArray:
        return state.aval if type(state) is Blocks else super().aval(state)

    def value(self, state: Any) -> Array:
        return None if type(state) is Blocks else super().value(state)

    constant = value

    def _spreads(self, primitive: Primitive, states: list[Any], params: dict[str, Any]) -> bool:
        """Whether something is placed in zeros, or multiplied so that there are more elements: that can wait."""
        if primitive is place:
            return len(states) == 1 and states[0][1] is not None
        if primitive is not mul and primitive is not dot_general:
            return False
        (x, dim), (w, other) = states
        if (dim is None) == (other is None):
            return False
        if primitive is dot_general:
            return not params["dimension_numbers"][0][0]
        if dim is None:
            x, dim, w = w, other, x
        shape, given = shape_of(w), shape_of(x)
        given = given[:dim] + given[dim + 1 :]
        return shape != () and shape != given and np.broadcast_shapes(shape, given) != given

    def _operand(self, state: Any, primitive: Primitive) -> Any:
        if type(state) is Blocks:
            return state.blocks if primitive in keep_weights else tuple(map(weighed, state.blocks))
        x, dim = state
        if dim is None:
            return x
        x = move_axis(x, dim, 0)
        return (Block(0, (self.size,), (None,), (0,) * (len(aval_of(x).shape) - 1), x),)

    def whole(self, state: Any) -> Any:
        if type(state) is not Blocks:
            return state
        return total(state.blocks, self.size, state.aval.shape, state.aval.dtype), 0

    def _settled(self, aval: ShapedArray, blocks: Sequence[Block]) -> Any:
        """A state for a sum of blocks: an ordinary one where they fill the array."""
        if len(blocks) == 1 and not is_plain(blocks[0]):
            return Blocks(aval, tuple(blocks))
        blocks = combined(blocks)
        if not blocks:
            return np.zeros(aval.shape, aval.dtype), None
        state = Blocks(aval, tuple(blocks))
        filled = all([block.weights is None for block in blocks])
        filled = filled and all(map(is_plain, blocks))
        filled = filled and all([sides(block) == aval.shape for block in blocks])
        filled = filled and sum([block.size for block in blocks]) == self.size
        return self.whole(state) if filled or len(blocks) > _MOST else state


def along_units(
    f: Callable[..., Sequence[Array]], avals: Sequence[ShapedArray], function: Any
) -> list[tuple[Array, int | None]]:
    """Maps a flat linear function over the unit directions of its arguments.

    Args:
        f: any, of as many arrays.
        avals: the arguments; unit directions are numbered element by element, one array after the other.
        function: the user's function, for messages.

    Returns:
        The results, and the axis of each that is mapped; `None` where it is the same along all directions.
    """
    size = sum([aval.size for aval in avals])
    interpreter = Directions(size, function=function)
    units, offset = [], 0
    for aval in avals:
        units.append(Tracer(interpreter, Blocks(ShapedArray(aval.shape, aval.dtype), unit_blocks(offset, aval))))
        offset += aval.size
    with interpreter:
        states = []
        for y in f(*units):
            mine = type(y) is Tracer and y.interpreter is interpreter
            states.append(y.state if mine else lift(interpreter, y))
    return [interpreter.whole(state) for state in states]
