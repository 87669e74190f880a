"""What people do wrong, and what they are told: class, words, line and remedy of every error, and no frame of fgrad.

Each case is a function whose offending line is marked `# here`; the lines where the functions are defined that a
message names are marked `# defined`. What is said before the user's line, and the remedy after it, are golden.
"""

from __future__ import annotations

import copy
import functools
import linecache
import math
import os
import pickle
import re
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import errors
from fgrad.transforms import jaxprs, jvp

PACKAGE = str(Path(fgrad.__file__).parent) + os.sep
X = np.arange(3.0)
M = np.ones((2, 3))


class Mistake(NamedTuple):
    run: Callable[[], Any]
    error: type[Exception]
    what: str
    cure: str


MISTAKES: list[Mistake] = []


def mistake(error: type[Exception], what: str, cure: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Declares a mistake: the class of the error, what it says, and the remedy it gives.

    In the words, `(here)` and `(defined)` stand for places in this file.
    """

    def register(run: Callable[[], Any]) -> Callable[[], Any]:
        MISTAKES.append(Mistake(run, error, what, cure))
        return run

    return register


def marked(line: int) -> str:
    """The mark of a line of this file."""
    text = linecache.getline(__file__, line).rstrip()
    return next((mark for mark in ("here", "defined") if text.endswith(f"# {mark}")), f"line {line}: {text}")


def frames(entry: TracebackType | None) -> list[str]:
    """The files of the frames of a traceback."""
    files = []
    while entry is not None:
        files.append(entry.tb_frame.f_code.co_filename)
        entry = entry.tb_next
    return files


# --- What the function that is differentiated returns, and what it is given ---


@mistake(
    errors.NonScalarOutputError,
    "grad needs `loss` to return a real scalar, but it returned f64[3].",
    "  Sum it, or use fgrad.jacrev for the derivatives of all elements, fgrad.vjp for one combination of them.",
)
def the_loss_is_an_array() -> Any:
    def loss(w: Any) -> Any:
        return w * w

    return fgrad.grad(loss)(X)  # here


@mistake(
    errors.NonScalarOutputError,
    "value_and_grad needs `loss` to return a real scalar, but it returned a tuple of length 2.",
    "  Return one number, or (number, anything else) with has_aux=True.",
)
def the_loss_is_a_tuple() -> Any:
    def loss(w: Any) -> Any:
        return w.sum(), w.max()

    return fgrad.value_and_grad(loss)(X)  # here


@mistake(
    errors.NonScalarOutputError,
    "grad needs `loss` to return a real scalar, but it returned a dict with key 'loss'.",
    "  Return one number, or (number, anything else) with has_aux=True.",
)
def the_loss_is_a_dict() -> Any:
    def loss(w: Any) -> Any:
        return {"loss": w.sum()}

    return fgrad.grad(loss)(X)  # here


@mistake(
    errors.NonScalarOutputError,
    "grad needs `loss` to return a real scalar, but it returned None.",
    "  Does it lack a return statement?",
)
def the_loss_is_not_returned() -> Any:
    def loss(w: Any) -> Any:
        w.sum()

    return fgrad.grad(loss)(X)  # here


@mistake(
    errors.OutputTypeError,
    "`loss` returned a str '3.0' in grad.",
    "  Return arrays and numbers, in pytrees.",
)
def the_loss_is_a_string() -> Any:
    def loss(w: Any) -> Any:
        return f"{w.sum()}"

    return fgrad.grad(loss)(X)  # here


@mistake(
    errors.NonScalarOutputError,
    "grad needs `loss` to return a real scalar, but it returned c128[].",
    "  Return its real part or its absolute value, or pass holomorphic=True if it is complex differentiable.",
)
def the_loss_is_complex() -> Any:
    def loss(w: Any) -> Any:
        return (w * 1j).sum()

    return fgrad.grad(loss)(X)  # here


@mistake(
    errors.NonScalarOutputError,
    "grad needs `loss` to return a real scalar, but it returned i64[].",
    "  Integers and booleans have no derivative: return what they were computed from.",
)
def the_loss_is_an_integer() -> Any:
    def loss(w: Any) -> Any:
        return (w > 1).sum()

    return fgrad.grad(loss)(X)  # here


@mistake(
    errors.NonScalarOutputError,
    "grad needs `loss` to return a complex scalar, but it returned f64[].",
    "  Leave holomorphic out: the gradient of a real function of complex numbers needs no such promise.",
)
def the_loss_is_real_where_it_was_promised_to_be_holomorphic() -> Any:
    def loss(z: Any) -> Any:
        return abs(z)

    return fgrad.grad(loss, holomorphic=True)(1.0 + 2.0j)  # here


@mistake(
    errors.ArgumentError,
    "grad with has_aux=True needs `loss` to return a pair, but it returned an array of shape () and dtype float64.",
    "  Return (value, anything else), or leave has_aux out.",
)
def there_is_no_aux() -> Any:
    def loss(w: Any) -> Any:
        return w.sum()

    return fgrad.grad(loss, has_aux=True)(X)  # here


@mistake(
    errors.NonDifferentiableError,
    "grad needs real or complex inputs, but params['layers'][0] is i64[3]: an integer has no derivative.",
    "  Convert it, params['layers'][0].astype(float), leave it out of argnums, or pass allow_int=True.",
)
def an_integer_array_in_a_pytree() -> Any:
    def loss(params: Any) -> Any:
        return params["layers"][0].sum()

    return fgrad.grad(loss)({"layers": [np.arange(3)], "scale": 2.0})  # here


@mistake(
    errors.NonDifferentiableError,
    "grad needs real or complex inputs, but w is i64[]: an integer has no derivative.",
    "  Pass 3.0 for 3, leave it out of argnums, or pass allow_int=True.",
)
def a_python_integer() -> Any:
    def loss(w: Any) -> Any:
        return w * w

    return fgrad.grad(loss)(3)  # here


@mistake(
    errors.NonDifferentiableError,
    "jacfwd needs real or complex inputs, but mask is bool[3]: a boolean has no derivative.",
    "  Convert it, mask.astype(float), or leave it out of argnums.",
)
def a_boolean_mask_in_forward_mode() -> Any:
    return fgrad.jacfwd(lambda mask: mask * 2.0)(X > 1)  # here


@mistake(
    errors.NonDifferentiableError,
    "grad with holomorphic=True needs complex inputs, but z is f64[].",
    "  Convert it: numpy.asarray(z, complex).",
)
def a_real_input_where_complex_was_promised() -> Any:
    return fgrad.grad(lambda z: z * z, holomorphic=True)(3.0)  # here


@mistake(
    errors.ArgumentError,
    "argument params['activation'] of grad is a str 'relu': not an array of numbers.",
    "  Arguments are arrays and numbers, in pytrees; let the function close over it if it is neither.",
)
def a_string_among_the_parameters() -> Any:
    return fgrad.grad(lambda params: params["w"] * 2.0)({"w": 1.0, "activation": "relu"})  # here


@mistake(
    errors.ArgumentError,
    "argument w of grad is an array of shape (2,) and dtype object: not an array of numbers.",
    "  Arguments are arrays and numbers, in pytrees; let the function close over it if it is neither.",
)
def an_object_array() -> Any:
    return fgrad.grad(lambda w: w.sum())(np.array([1.0, None]))  # here


@mistake(
    errors.ShapeError,
    "an array of dtype object cannot be combined with traced values, in grad of `<lambda>` (here).",
    "  Convert it to numbers first: array.astype(float).",
)
def an_object_array_in_the_function() -> Any:
    weights = np.array([1, 2, 3], dtype=object)
    return fgrad.grad(lambda w: (w * weights).sum())(X)  # here


@mistake(
    errors.NonDifferentiableError,
    "jacfwd needs real or complex outputs, but `f` returned i64[3] at output['n'].",
    "  Return it as a float, or as aux with has_aux=True.",
)
def an_integer_output_of_a_jacobian() -> Any:
    def f(x: Any) -> Any:
        return {"y": x * 2.0, "n": np.arange(3)}

    return fgrad.jacfwd(f)(X)  # here


# --- Which argument ---


@mistake(
    errors.ArgumentError,
    "grad of `loss` has argnums=2, but the call has no such argument.",
    "  The arguments are w, b: name one of these.",
)
def argnums_out_of_range() -> Any:
    def loss(w: Any, b: Any) -> Any:
        return (w * b).sum()

    return fgrad.grad(loss, argnums=2)(X, 1.0)  # here


@mistake(
    errors.ArgumentError,
    "grad of `loss` has argnums=1, but the call has no such argument.",
    "  Pass the argument scale: the default of a parameter cannot be differentiated.",
)
def argnums_of_a_default_that_was_not_given() -> Any:
    def loss(w: Any, scale: Any = 2.0) -> Any:
        return (w * scale).sum()

    return fgrad.grad(loss, argnums=1)(X)  # here


@mistake(
    errors.ArgumentError,
    "argnums of grad must be positions or names of parameters, got a float 0.0.",
    '  Write grad(f, argnums=0), argnums="w" or argnums=(0, 1).',
)
def argnums_of_a_wrong_type() -> Any:
    return fgrad.grad(lambda w: w.sum(), argnums=0.0)  # here


@mistake(
    errors.ArgumentError,
    "grad of `loss` has argnums='b', but the call has no such argument.",
    "  The arguments are w, bias, and by name scale: name one of these.",
)
def argnums_of_an_unknown_name() -> Any:
    def loss(w: Any, bias: Any, *, scale: Any) -> Any:
        return (w * bias).sum()

    return fgrad.grad(loss, argnums="b")(X, 1.0, scale=2.0)  # here


@mistake(
    errors.ArgumentError,
    "argnums=(0, 1, 'w') of grad names the argument w twice.",
    "  Name every argument once.",
)
def argnums_twice() -> Any:
    return fgrad.grad(lambda w, b: (w * b).sum(), argnums=(0, 1, "w"))(X, 1.0)  # here


@mistake(
    errors.ArgumentError,
    "grad expects a function, got an array of shape () and dtype float64.",
    "  Write grad(f)(x), not grad(f(x)).",
)
def the_value_in_place_of_the_function() -> Any:
    def loss(w: Any) -> Any:
        return (w * w).sum()

    return fgrad.grad(loss(X))(X)  # here


@mistake(
    errors.ArgumentError,
    "jvp expects a function, got an array of shape () and dtype float64.",
    "  Write jvp(f, (x,), (t,)): the function itself comes first.",
)
def the_value_in_place_of_the_function_in_jvp() -> Any:
    return fgrad.jvp(np.sin(1.0), (1.0,), (1.0,))  # here


@mistake(
    errors.ArgumentError,
    "grad calls `loss` with arguments that it does not take: missing 1 required positional argument: 'batch'.",
    "  `loss` takes (w, batch).",
)
def a_missing_argument() -> Any:
    def loss(w: Any, batch: Any) -> Any:
        return (w * batch).sum()

    return fgrad.grad(loss)(X)  # here


@mistake(
    errors.ArgumentError,
    "jit calls `loss` with arguments that it does not take: got an unexpected keyword argument 'bach'.",
    "  `loss` takes (w, batch).",
)
def an_unknown_argument_by_name() -> Any:
    def loss(w: Any, batch: Any) -> Any:
        return (w * batch).sum()

    return fgrad.jit(loss)(X, bach=X)  # here


# --- vmap ---


@mistake(
    errors.AxesError,
    "in_axes of vmap has 1 entry for 2 positional arguments (x, y).",
    "  Give one entry per positional argument, None for what is not mapped.",
)
def in_axes_with_too_few_entries() -> Any:
    return fgrad.vmap(lambda x, y: x * y, in_axes=(0,))(M, X)  # here


@mistake(
    errors.AxesError,
    "in_axes of vmap has 2 entries for 1 positional argument (x).",
    (
        "  Give one entry per positional argument, None for what is not mapped. A dict of names is for "
        "arguments by name."
    ),
)
def in_axes_for_an_argument_by_name() -> Any:
    return fgrad.vmap(lambda x, y: x * y, in_axes=(0, None))(M, y=X)  # here


@mistake(
    errors.AxesError,
    "in_axes of vmap asks for axis 1 of p['b'], which is f64[3] and has 1 axis.",
    "  Use None in in_axes for p['b'] if it is the same for all rows.",
)
def in_axes_out_of_range() -> Any:
    return fgrad.vmap(lambda p: p["w"] * p["b"], in_axes=1)({"w": M, "b": X})  # here


@mistake(
    errors.AxesError,
    "in_axes of vmap asks for axis 0 of scale, which is f64[] and has 0 axes.",
    "  Use None in in_axes for scale if it is the same for all rows.",
)
def a_scalar_is_mapped() -> Any:
    return fgrad.vmap(lambda x, scale: x * scale)(M, 2.0)  # here


@mistake(
    errors.AxesError,
    (
        "vmap got mapped axes of different lengths: 4 for p['b'] (axis 0), p['w'] (axis 0), t (axis 0); 2 "
        "for x (axis 0)."
    ),
    "  Mapped axes must be equally long; use None in in_axes for what is the same for all rows.",
)
def mapped_axes_of_different_lengths() -> Any:
    """The one that differs is named, with all it differs from."""
    return fgrad.vmap(lambda p, x, t: p["w"] @ x + t)({"w": np.ones((4, 3)), "b": np.ones(4)}, M, np.ones(4))  # here


@mistake(
    errors.AxesError,
    "vmap got mapped axes of different lengths: 3 for x (axis 0); axis_size is 4.",
    "  Mapped axes must be equally long; use None in in_axes for what is the same for all rows.",
)
def axis_size_against_the_arguments() -> Any:
    return fgrad.vmap(lambda x: x * 2.0, axis_size=4)(X)  # here


@mistake(
    errors.AxesError,
    (
        "vmap: the entry of in_axes for params['layers'][0] is a dict with key 'w', where the tree has a "
        "dict with keys 'b', 'w'; missing key 'b'"
    ),
    "  A prefix has the tree's containers down to some level, and one entry for all that is below.",
)
def an_in_axes_prefix_that_does_not_fit() -> Any:
    def predict(params: Any, x: Any) -> Any:
        return params["layers"][0]["w"] @ x

    params = {"layers": [{"w": M, "b": X}]}
    return fgrad.vmap(predict, in_axes=({"layers": [{"w": None}]}, 0))(params, M)  # here


@mistake(
    errors.AxesError,
    "vmap: the entry of in_axes for y is a tuple of length 2, where the tree has a leaf",
    "  A prefix has the tree's containers down to some level, and one entry for all that is below.",
)
def in_axes_is_deeper_than_the_argument() -> Any:
    return fgrad.vmap(lambda x, y: x * y, in_axes=(0, (0, None)))(M, M)  # here


@mistake(
    errors.AxesError,
    "in_axes of vmap must be an axis, None, or a tuple or dict of these, got a str 'rows'.",
    "  Write in_axes=0, or in_axes=(0, None) with one entry per argument.",
)
def in_axes_of_a_wrong_type() -> Any:
    return fgrad.vmap(lambda x: x * 2.0, in_axes="rows")  # here


@mistake(
    errors.AxesError,
    "in_axes of vmap must hold axes and None, got a float 1.0 for y.",
    "  An axis is an integer, such as 0.",
)
def in_axes_is_no_integer() -> Any:
    return fgrad.vmap(lambda x, y: x * y, in_axes=(0, 1.0))(M, M)  # here


@mistake(
    errors.AxesError,
    "in_axes of vmap names z, which the call has no argument for.",
    "  The arguments are x, y.",
)
def in_axes_of_an_unknown_name() -> Any:
    return fgrad.vmap(lambda x, y: x * y, in_axes={"z": 0})(M, M)  # here


@mistake(
    errors.AxesError,
    "vmap has nothing to map: every entry of in_axes is None.",
    "  Map an argument (0 in in_axes), or give axis_size.",
)
def nothing_to_map() -> Any:
    return fgrad.vmap(lambda x, y: x * y, in_axes=None)(M, M)  # here


@mistake(
    errors.AxesError,
    "out_axes of vmap is None for output['mean'] of `f`, which is not the same for all rows.",
    "  Say at which of its axes the rows are to be stacked: out_axes=0, for example.",
)
def out_axes_none_for_what_is_mapped() -> Any:
    def f(x: Any) -> Any:
        return {"mean": x.mean(), "rows": 2}

    return fgrad.vmap(f, out_axes=None)(M)  # here


@mistake(
    errors.AxesError,
    "out_axes of vmap asks for axis 1 of output[1] of `f`, which has 1 axis, that of the rows included.",
    "  Give an axis of the stacked output.",
)
def out_axes_out_of_range() -> Any:
    def f(x: Any) -> Any:
        return x, x.sum()

    return fgrad.vmap(f, out_axes=(0, 1))(M)  # here


@mistake(
    errors.AxesError,
    "vmap: out_axes is a tuple of length 3, where the tree has a tuple of length 2",
    "  A prefix has the tree's containers down to some level, and one entry for all that is below.",
)
def an_out_axes_prefix_that_does_not_fit() -> Any:
    return fgrad.vmap(lambda x: (x, x), out_axes=(0, 0, 0))(M)  # here


# --- Shapes and dtypes ---


@mistake(
    errors.ShapeError,
    "shapes (3,) and (4,) do not broadcast together in `add`.",
    "  Shapes are aligned at their last axes; each pair of sizes must be equal, or one of them 1.",
)
def shapes_that_do_not_broadcast_under_grad() -> Any:
    def loss(w: Any) -> Any:
        return (w + np.ones(4)).sum()  # here

    return fgrad.grad(loss)(X)


@mistake(
    errors.ShapeError,
    "shapes (3,) and (4,) do not broadcast together in `add`.",
    "  Shapes are aligned at their last axes; each pair of sizes must be equal, or one of them 1.",
)
def shapes_that_do_not_broadcast_under_jit() -> Any:
    def loss(w: Any) -> Any:
        return (w + np.ones(4)).sum()  # here

    return fgrad.jit(fgrad.grad(loss))(X)


@mistake(
    errors.ShapeError,
    "shapes (4,) and (3,) do not broadcast together in `mul`.",
    "  Shapes are aligned at their last axes; each pair of sizes must be equal, or one of them 1.",
)
def shapes_that_do_not_broadcast_under_vmap() -> Any:
    """The shapes are those of a row."""

    def loss(w: Any) -> Any:
        return (np.ones(4) * w).sum()  # here

    return fgrad.vmap(loss)(M)


@mistake(
    errors.ShapeError,
    "matmul of arrays of shapes (3,) and (2, 3): 3 and 2 elements are paired.",
    "  The axes that are summed over must have the same length.",
)
def a_matrix_product_that_does_not_fit() -> Any:
    return fgrad.grad(lambda w: (w @ M).sum())(X)  # here


@mistake(
    errors.ShapeError,
    "cannot reshape an array of shape (3,) (3 elements) into (2, 2).",
    "  The number of elements stays the same; one length may be -1, which stands for what is left.",
)
def a_reshape_to_another_size() -> Any:
    return fgrad.grad(lambda w: w.reshape(2, 2).sum())(X)  # here


@mistake(
    errors.ShapeError,
    "`bitwise_and` is not defined for float64 and int64.",
    "  Convert the arguments to dtypes that NumPy has it for: x.astype(dtype).",
)
def bits_of_a_float() -> Any:
    return fgrad.grad(lambda w: (w & 1).sum())(X)  # here


# --- Writing into arrays ---


@mistake(
    errors.ImmutableTracerError,
    "a traced f64[3] cannot be written into, in grad of `loss` (defined).",
    "  Write x = x.at[index].set(value); there are .add, .multiply, .min and .max, too.",
)
def an_item_of_a_traced_array_is_assigned_to() -> Any:
    def loss(w: Any) -> Any:  # defined
        w[0] = 1.0  # here
        return w.sum()

    return fgrad.grad(loss)(X)


@mistake(
    errors.ImmutableTracerError,
    "a traced f64[3] cannot be written into, in jit of `update` (defined).",
    "  Write x = x.at[index].set(value); there are .add, .multiply, .min and .max, too.",
)
def an_item_of_a_traced_array_is_added_to() -> Any:
    def update(w: Any) -> Any:  # defined
        w[1:] += 1.0  # here
        return w

    return fgrad.jit(update)(X)


@mistake(
    errors.TracerArrayConversionError,
    "`array[index] = value` on a NumPy array does not take a traced f64[], in grad of `loss` (defined).",
    "  Write array = fgrad.numpy.at(array)[index].set(value), or collect values in a list and stack them.",
)
def a_traced_value_is_written_into_an_array() -> Any:
    def loss(w: Any) -> Any:  # defined
        out = np.zeros(3)
        for i in range(3):
            out[i] = w[i] * 2.0  # here
        return out.sum()

    return fgrad.grad(loss)(X)


@mistake(
    errors.TracerArrayConversionError,
    "`array[index] = value` on a NumPy array does not take a traced f64[3], in jit of `loss` (defined).",
    "  Write array = fgrad.numpy.at(array)[index].set(value), or collect values in a list and stack them.",
)
def a_traced_array_is_written_into_an_array() -> Any:
    def loss(w: Any) -> Any:  # defined
        out = np.zeros((2, 3))
        out[0] = w  # here
        return out.sum()

    return fgrad.jit(loss)(X)


@mistake(
    errors.TracerArrayConversionError,
    "`array[index] = value` on a NumPy array does not take a traced i64[], in jit of `one_hot` (defined).",
    "  Write array = fgrad.numpy.at(array)[index].set(value), or collect values in a list and stack them.",
)
def an_array_is_assigned_to_at_a_traced_index() -> Any:
    def one_hot(i: Any) -> Any:  # defined
        out = np.zeros(3)
        out[i] = 1.0  # here
        return out

    return fgrad.jit(one_hot)(1)


@mistake(
    errors.ArgumentError,
    "add cannot write traced values into a NumPy array (by out=, or by an operator such as x += t).",
    "  Use the result: x = x + t.",
)
def a_traced_array_is_added_in_place() -> Any:
    def loss(w: Any) -> Any:
        total = np.zeros(3)
        total += w  # here
        return total.sum()

    return fgrad.grad(loss)(X)


@mistake(
    errors.ArgumentError,
    "multiply cannot write traced values into a NumPy array (by out=, or by an operator such as x += t).",
    "  Use the result: x = x + t.",
)
def a_result_is_asked_for_in_an_array() -> Any:
    def loss(w: Any) -> Any:
        out = np.zeros(3)
        np.multiply(w, 2.0, out=out)  # here
        return out.sum()

    return fgrad.grad(loss)(X)


# --- Values that are not known ---


@mistake(
    errors.TracerBoolConversionError,
    "the truth value of a traced bool[] is not known in jit of `f` (defined): only its shape and dtype are.",
    (
        "  Choose with fgrad.lax.cond or fgrad.numpy.where, join conditions by & and |; or mark the argument "
        "static (static_argnums)."
    ),
)
def if_under_jit() -> Any:
    def f(x: Any) -> Any:  # defined
        if x > 0:  # here
            return x
        return -x

    return fgrad.jit(f)(1.0)


@mistake(
    errors.TracerBoolConversionError,
    "the truth value of a traced bool[] is not known in vmap of `f` (defined): it stands for all rows at once.",
    (
        "  Choose with fgrad.lax.cond or fgrad.numpy.where, join conditions by & and |; or do not map the "
        "argument (None in in_axes)."
    ),
)
def if_under_vmap() -> Any:
    def f(x: Any) -> Any:  # defined
        return x if x > 0 else -x  # here

    return fgrad.vmap(f)(X)


@mistake(
    errors.TracerBoolConversionError,
    "the truth value of a traced bool[] is not known in jit of `f` (defined): only its shape and dtype are.",
    (
        "  Choose with fgrad.lax.cond or fgrad.numpy.where, join conditions by & and |; or mark the argument "
        "static (static_argnums)."
    ),
)
def if_under_grad_under_jit() -> Any:
    """It is jit that does not know the value."""

    def f(x: Any) -> Any:  # defined
        return x if x > 0 else -x  # here

    return fgrad.jit(fgrad.grad(f))(1.0)


@mistake(
    errors.TracerBoolConversionError,
    "the truth value of a traced bool[] is not known in jit of `halve` (defined): only its shape and dtype are.",
    ("  Write fgrad.lax.while_loop(unfinished, step, start); or mark the argument static (static_argnums)."),
)
def while_under_jit() -> Any:
    def halve(x: Any) -> Any:  # defined
        y = x * 1.0  # not where it is needed
        while y > 1:  # here
            y = y / 2
        return y

    return fgrad.jit(halve)(8.0)


@mistake(
    errors.TracerBoolConversionError,
    "the truth value of a traced bool[] is not known in jit of `inside` (defined): only its shape and dtype are.",
    (
        "  Choose with fgrad.lax.cond or fgrad.numpy.where, join conditions by & and |; or mark the argument "
        "static (static_argnums)."
    ),
)
def and_under_jit() -> Any:
    def inside(x: Any) -> Any:  # defined
        return (x > 0) and (x < 1)  # here

    return fgrad.jit(inside)(0.5)


@mistake(
    errors.TracerBoolConversionError,
    "the truth value of a traced bool[] is not known in jit of `f` (defined): only its shape and dtype are.",
    (
        "  Choose with fgrad.lax.cond or fgrad.numpy.where, join conditions by & and |; or mark the argument "
        "static (static_argnums)."
    ),
)
def the_smallest_of_a_list_under_jit() -> Any:
    def f(x: Any) -> Any:  # defined
        return min([x, 2 * x])  # here

    return fgrad.jit(f)(0.5)


@mistake(
    errors.TracerBoolConversionError,
    "the truth value of a traced bool[3] is not known in jit of `f` (defined): only its shape and dtype are.",
    (
        "  Choose with fgrad.lax.cond or fgrad.numpy.where, join conditions by & and |; or mark the argument "
        "static (static_argnums)."
    ),
)
def the_truth_of_an_array_under_jit() -> Any:
    def f(x: Any) -> Any:  # defined
        return x if x > 0 else -x  # here

    return fgrad.jit(f)(X)


@mistake(
    errors.ConcretizationTypeError,
    (
        "the value (as a Python float) of a traced f64[] is not known in jit of `f` (defined): only its "
        "shape and dtype are."
    ),
    (
        "  Keep it an array (NumPy's functions take it, those of math do not); or mark the argument static "
        "(static_argnums)."
    ),
)
def a_float_under_jit() -> Any:
    def f(x: Any) -> Any:  # defined
        return float(x) * 2.0  # here

    return fgrad.jit(f)(1.0)


@mistake(
    errors.ConcretizationTypeError,
    "math.exp takes numbers, not a traced f64[], in jit of `f` (defined).",
    "  Write numpy.exp; or math.exp(float(x)) where the value is known and no derivative is wanted.",
)
def a_function_of_math_under_jit() -> Any:
    def f(x: Any) -> Any:  # defined
        return math.exp(x)  # here

    return fgrad.jit(f)(1.0)


@mistake(
    errors.ConcretizationTypeError,
    "math.atan takes numbers, not a traced f64[], in grad of `loss` (defined).",
    "  Write numpy.arctan; or math.atan(float(x)) where the value is known and no derivative is wanted.",
)
def a_function_of_math_would_lose_the_derivative() -> Any:
    def loss(w: Any) -> Any:  # defined
        return math.atan(w) * w  # here

    return fgrad.grad(loss)(1.0)


@mistake(
    errors.ConcretizationTypeError,
    (
        "the value (as a Python scalar) of a traced f64[] is not known in vmap of `f` (defined): it stands "
        "for all rows at once."
    ),
    (
        "  Keep it an array (NumPy's functions take it, those of math do not); or do not map the argument "
        "(None in in_axes)."
    ),
)
def an_item_under_vmap() -> Any:
    def f(x: Any) -> Any:  # defined
        return x.sum().item()  # here

    return fgrad.vmap(f)(M)


@mistake(
    errors.TracerIntegerConversionError,
    (
        "the value (as a Python int) of a traced f64[] is not known in jit of `f` (defined): only its shape "
        "and dtype are."
    ),
    (
        "  Keep it an array (NumPy's functions take it, those of math do not); or mark the argument static "
        "(static_argnums)."
    ),
)
def an_integer_under_jit() -> Any:
    def f(x: Any) -> Any:  # defined
        return int(x)  # here

    return fgrad.jit(f)(1.0)


@mistake(
    errors.TracerIntegerConversionError,
    (
        "the value (as a Python integer) of a traced i64[] is not known in jit of `power` (defined): only "
        "its shape and dtype are."
    ),
    (
        "  Sizes and axes must be known here: take them from shapes; loop with fgrad.lax.fori_loop; or "
        "mark the argument static (static_argnums)."
    ),
)
def a_range_under_jit() -> Any:
    def power(x: Any, n: Any) -> Any:  # defined
        y = 1.0
        for _ in range(n):  # here
            y = y * x
        return y

    return fgrad.jit(power)(2.0, 3)


@mistake(
    errors.TracerIntegerConversionError,
    "a shape needs numbers, but it was given Tracer<i64[], jit>.",
    "  Take lengths from the shapes of arrays, or mark the argument static (static_argnums).",
)
def a_traced_length() -> Any:
    """NumPy drops the error of `__index__` and raises one of its own."""

    def padded(n: Any) -> Any:
        return np.zeros(n)  # here

    return fgrad.jit(padded)(3)


@mistake(
    errors.TracerIntegerConversionError,
    (
        "the value (as a Python integer) of a traced i64[] is not known in jit of `pick` (defined): only its "
        "shape and dtype are."
    ),
    (
        "  Take from an array of the items: fgrad.numpy.take(fgrad.numpy.stack(items), index, axis=0); or "
        "mark the argument static (static_argnums)."
    ),
)
def a_list_at_a_traced_index() -> Any:
    layers = [np.ones(3), np.zeros(3)]

    def pick(i: Any) -> Any:  # defined
        return layers[i]  # here

    return fgrad.jit(pick)(0)


@mistake(
    errors.TracerArrayConversionError,
    "a NumPy array cannot be indexed by a traced i64[], in jit of `pick` (defined).",
    "  Write fgrad.numpy.take(array, index, axis=0), or fgrad.numpy.at(array)[index].get().",
)
def an_array_at_a_traced_index() -> Any:
    table = np.ones((5, 3))

    def pick(i: Any) -> Any:  # defined
        return table[i]  # here

    return fgrad.jit(pick)(0)


@mistake(
    errors.TracerArrayConversionError,
    "a NumPy array cannot be indexed by a traced i64[2], in vmap of `pick` (defined).",
    "  Write fgrad.numpy.take(array, index, axis=0), or fgrad.numpy.at(array)[index].get().",
)
def an_array_at_traced_indices() -> Any:
    table = np.ones((5, 3))

    def pick(i: Any) -> Any:  # defined
        return table[i].sum()  # here

    return fgrad.vmap(pick)(np.array([[0, 1], [2, 3]]))


@mistake(
    errors.TracerArrayConversionError,
    "a NumPy array cannot be indexed by a traced bool[3], in jit of `pick` (defined).",
    "  Write fgrad.numpy.where(mask, array, 0); the number of elements that a mask selects is not known.",
)
def an_array_at_a_traced_mask() -> Any:
    table = np.ones(3)

    def pick(x: Any) -> Any:  # defined
        return table[x > 1]  # here

    return fgrad.jit(pick)(X)


@mistake(
    errors.TracerArrayConversionError,
    "a traced f64[3] cannot become a NumPy array, in jit of `f` (defined).",
    "  NumPy's functions (np.sin, np.stack, …) take it as it is; write fgrad.numpy.array for np.array or np.asarray.",
)
def asarray_of_a_traced_array() -> Any:
    def f(x: Any) -> Any:  # defined
        return np.asarray(x) * 2.0  # here

    return fgrad.jit(f)(X)


@mistake(
    errors.TracerArrayConversionError,
    "a traced f64[3] cannot become a NumPy array, in grad of `loss` (defined).",
    "  NumPy's functions (np.sin, np.stack, …) take it as it is; write fgrad.numpy.array for np.array or np.asarray.",
)
def asarray_would_lose_the_derivative() -> Any:
    def loss(w: Any) -> Any:  # defined
        return np.asarray(w).sum()  # here

    return fgrad.grad(loss)(X)


@mistake(
    errors.TracerArrayConversionError,
    "a traced f64[] cannot become a NumPy array, in grad of `loss` (defined).",
    "  NumPy's functions (np.sin, np.stack, …) take it as it is; write fgrad.numpy.array for np.array or np.asarray.",
)
def an_array_of_traced_values() -> Any:
    def loss(w: Any) -> Any:  # defined
        return np.array([w, 2 * w]).sum()  # here

    return fgrad.grad(loss)(1.0)


@mistake(
    errors.TracerArrayConversionError,
    "numpy.shares_memory has no counterpart in fgrad that takes traced arrays, in grad of `loss` (defined).",
    "  Write it with functions of fgrad.numpy, or give it a rule of its own (fgrad.custom_jvp).",
)
def a_function_of_numpy_without_a_counterpart() -> Any:
    def loss(w: Any) -> Any:  # defined
        return np.shares_memory(w, w)  # here

    return fgrad.grad(loss)(X)


@mistake(
    errors.TracerArrayConversionError,
    "numpy.hypot.reduce has no counterpart in fgrad that takes traced arrays, in grad of `loss` (defined).",
    "  Write it with functions of fgrad.numpy.",
)
def a_method_of_a_ufunc_without_a_counterpart() -> Any:
    def loss(w: Any) -> Any:  # defined
        return np.hypot.reduce(w).sum()  # here

    return fgrad.grad(loss)(X)


# --- What traced arrays cannot do ---


@mistake(
    errors.TracerUseError,
    "a traced f64[] cannot be hashed, in grad of `loss` (defined).",
    "  Arrays are no keys of dicts, members of sets or arguments of cached functions: take the shape or a name.",
)
def a_traced_array_is_hashed() -> Any:
    @functools.lru_cache
    def squared(x: Any) -> Any:
        return x * x

    def loss(w: Any) -> Any:  # defined
        return squared(w)  # here

    return fgrad.grad(loss)(2.0)


@mistake(
    errors.TracerUseError,
    "a traced f64[] cannot be pickled, in grad of `loss` (defined).",
    "  Return it from the traced function, and save what comes back.",
)
def a_traced_array_is_pickled() -> Any:
    def loss(w: Any) -> Any:  # defined
        return len(pickle.dumps(w)) * w  # here

    return fgrad.grad(loss)(2.0)


@mistake(
    errors.TracerUseError,
    "a traced f64[] has no length: it has no axes.",
    "  Only arrays with axes have one; .size is the number of elements.",
)
def the_length_of_a_scalar() -> Any:
    return fgrad.grad(lambda w: w / len(w))(2.0)  # here


@mistake(
    errors.TracerUseError,
    "iteration over a traced array without axes, f64[].",
    "  Only arrays with axes have items: leave out the loop, or x.reshape(-1).",
)
def iteration_over_a_scalar() -> Any:
    def loss(w: Any) -> Any:
        return sum(x * x for x in w)  # here

    return fgrad.grad(loss)(2.0)


# --- Leaks ---

KEPT: Any = None


class Model:
    hidden: Any = None
    history: list[Any] = []  # noqa: RUF012 (shared on purpose)


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[3] leaked from grad of `loss` (defined), which has ended; it was kept in the global `KEPT`.",
    "  Return the value from that function instead of keeping it (has_aux=True lets it return more than the loss).",
)
def a_leak_through_a_global() -> Any:
    def loss(w: Any) -> Any:  # defined
        global KEPT  # noqa: PLW0603 (the mistake)
        KEPT = w * 2.0
        return w.sum()

    fgrad.grad(loss)(X)
    return KEPT + 1.0  # here


@mistake(
    errors.UnexpectedTracerError,
    (
        "a traced f64[3] leaked from jit of `loss` (defined), which has ended; it was kept in the attribute "
        "`hidden` of a Model.\n"
        "  It was computed at defined (loss)."
    ),
    "  Return the value from that function instead of keeping it.",
)
def a_leak_through_an_attribute() -> Any:
    model = Model()

    def loss(w: Any) -> Any:  # defined
        model.hidden = w * 2.0  # defined
        return model.hidden.sum()

    fgrad.jit(loss)(X)
    return np.sin(model.hidden)  # here


@mistake(
    errors.UnexpectedTracerError,
    (
        "a traced f64[3] leaked from grad of `loss` (defined), which has ended; it was kept in the attribute "
        "`history[0]['w']` of the class Model."
    ),
    "  Return the value from that function instead of keeping it (has_aux=True lets it return more than the loss).",
)
def a_leak_through_the_attribute_of_a_class() -> Any:
    Model.history.clear()

    def loss(w: Any) -> Any:  # defined
        Model.history.append({"w": w})
        return w.sum()

    fgrad.grad(loss)(X)
    return float(Model.history[0]["w"].sum())  # here


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[] leaked from vmap of `loss` (defined), which has ended; it was kept in the variable `losses[0]`.",
    "  Return the value from that function instead of keeping it.",
)
def a_leak_through_a_list() -> Any:
    losses: list[Any] = []

    def loss(w: Any) -> Any:  # defined
        losses.append(w.sum())
        return losses[-1]

    fgrad.vmap(loss)(M)
    return sum(losses)  # here


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[] leaked from grad of `loss` (defined), which has ended; it was kept in the variable `best`.",
    "  Return the value from that function instead of keeping it (has_aux=True lets it return more than the loss).",
)
def a_leak_through_a_closure() -> Any:
    best = None

    def loss(w: Any) -> Any:  # defined
        nonlocal best
        best = w
        return w

    fgrad.grad(loss)(2.0)
    return best > 1.0  # here


@mistake(
    errors.UnexpectedTracerError,
    (
        "a traced f64[] leaked from grad of `loss` (defined), which has ended; it was kept in the variable "
        "`cache['scale']`."
    ),
    "  Return the value from that function instead of keeping it (has_aux=True lets it return more than the loss).",
)
def a_leak_into_another_transform() -> Any:
    cache: dict[str, Any] = {}

    def loss(w: Any) -> Any:  # defined
        cache["scale"] = w.max()
        return w.sum()

    def scaled(w: Any) -> Any:
        return (w * cache["scale"]).sum()  # here

    fgrad.grad(loss)(X)
    return fgrad.grad(scaled)(X)


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[3] leaked from vmap of `loss` (defined), which has ended; it was kept in the variable `rows[0]`.",
    "  Return the value from that function instead of keeping it.",
)
def a_leak_from_vmap_into_jit() -> Any:
    rows: list[Any] = []

    def loss(w: Any) -> Any:  # defined
        rows.append(w)
        return w.sum()

    fgrad.vmap(loss)(M)
    return fgrad.jit(lambda x: x + rows[0])(X)  # here


@mistake(
    errors.UnexpectedTracerError,
    (
        "argument params['w'] of jit is a traced f64[3] leaked from jit of `step` (defined), which has "
        "ended; it was kept in the variable `state['w']`.\n"
        "  It was computed at defined (step)."
    ),
    "  Return the value from that function instead of keeping it.",
)
def a_leak_as_an_argument() -> Any:
    state: dict[str, Any] = {}

    def step(w: Any) -> Any:  # defined
        state["w"] = w + 1.0  # defined
        return w

    fgrad.jit(step)(X)
    return fgrad.jit(lambda params, x: params["w"] * x)(state, 2.0)  # here


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[3] leaked from jit of `step` (defined), which has ended; it was kept in the variable `kept[0]`.",
    "  Return the value from that function instead of keeping it.",
)
def a_leak_as_a_result() -> Any:
    kept: list[Any] = []

    def step(w: Any) -> Any:  # defined
        kept.append(w)
        return w

    fgrad.jit(step)(X)
    return fgrad.vmap(lambda x: kept[0])(X)  # here


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[3] leaked from jit of `step` (defined), which has ended; it was kept in the variable `kept[0]`.",
    "  Return the value from that function instead of keeping it.",
)
def a_leak_into_a_function_of_numpy() -> Any:
    kept: list[Any] = []

    def step(w: Any) -> Any:  # defined
        kept.append(w)
        return w

    fgrad.jit(step)(X)
    return np.asarray(kept[0])  # here


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[3] leaked from vmap of `step` (defined), which has ended; it was kept in the variable `kept[0]`.",
    "  Return the value from that function instead of keeping it.",
)
def a_leak_into_an_update() -> Any:
    kept: list[Any] = []

    def step(w: Any) -> Any:  # defined
        kept.append(w)
        return w

    fgrad.vmap(step)(M)
    return kept[0].at[0].set(1.0)  # here


@mistake(
    errors.UnexpectedTracerError,
    "a traced f64[] leaked from grad of `inner` (defined), which has ended; it was kept in the variable `kept[0]`.",
    "  Return the value from that function instead of keeping it (has_aux=True lets it return more than the loss).",
)
def a_leak_from_an_inner_transform() -> Any:
    kept: list[Any] = []

    def inner(y: Any) -> Any:  # defined
        kept.append(y)
        return y * y

    def outer(x: Any) -> Any:
        fgrad.grad(inner)(x)
        return kept[0] * x  # here

    return fgrad.grad(outer)(2.0)


@mistake(
    errors.UnexpectedTracerError,
    (
        "a traced f64[] of grad of `loss` (defined): it was used where that does not reach (another thread, "
        "a custom rule)."
    ),
    "  Pass it to the function as an argument.",
)
def a_leak_into_another_thread() -> Any:
    caught: list[Exception] = []

    def work(w: Any) -> None:
        try:
            w * 2.0  # here
        except errors.UnexpectedTracerError as error:
            caught.append(error)

    def loss(w: Any) -> Any:  # defined
        thread = threading.Thread(target=work, args=(w,))
        thread.start()
        thread.join()
        return w

    fgrad.grad(loss)(2.0)
    raise caught[0]


# --- jit ---


@mistake(
    errors.UnhashableStaticError,
    "the static argument sizes of `f` cannot be hashed: it is a list of length 2.",
    "  Pass a tuple instead, or do not mark it static.",
)
def an_unhashable_static_argument() -> Any:
    def f(x: Any, sizes: Any) -> Any:
        return x * len(sizes)

    return fgrad.jit(f, static_argnums=1)(X, [1, 2])  # here


@mistake(
    errors.UnhashableStaticError,
    "the static argument options of `f` cannot be hashed: it is a dict with key 'scale'.",
    "  Pass a tuple of pairs instead, or do not mark it static.",
)
def an_unhashable_static_argument_by_name() -> Any:
    def f(x: Any, options: Any) -> Any:
        return x * options["scale"]

    return fgrad.jit(f, static_argnames="options")(X, options={"scale": 2.0})  # here


@mistake(
    errors.UnhashableStaticError,
    "the static argument y of `<lambda>` cannot be hashed: it is an array of shape (3,) and dtype float64.",
    "  Do not mark it static: arrays are traced.",
)
def an_array_as_a_static_argument() -> Any:
    return fgrad.jit(lambda x, y: x * y, static_argnums=1)(X, X)  # here


@mistake(
    errors.UnhashableStaticError,
    "the static argument rate of `<lambda>` cannot be hashed: it is an array of shape () and dtype float64.",
    "  It is being traced by grad: do not mark it static, or pass a plain number.",
)
def a_traced_static_argument() -> Any:
    step = fgrad.jit(lambda x, rate: x * rate, static_argnums=1)
    return fgrad.grad(lambda rate: step(2.0, rate))(0.1)  # here


@mistake(
    errors.ArgumentError,
    "static_argnames of jit names 'training', which is no parameter of `f`.",
    "  The parameters are x, train.",
)
def a_static_name_that_does_not_exist() -> Any:
    def f(x: Any, train: bool) -> Any:
        return x * train

    return fgrad.jit(f, static_argnames="training")  # here


@mistake(
    errors.ArgumentError,
    "static_argnums of jit names position 2, which is no argument of `f`.",
    "  The parameters are x, train.",
)
def a_static_position_that_does_not_exist() -> Any:
    def f(x: Any, train: bool) -> Any:
        return x * train

    return fgrad.jit(f, static_argnums=2)  # here


@mistake(
    errors.ArgumentError,
    "static_argnums of jit must be positions of arguments, got a str 'train'.",
    "  For names there is static_argnames.",
)
def a_static_position_that_is_a_name() -> Any:
    return fgrad.jit(lambda x, train: x * train, static_argnums="train")  # here


@mistake(
    errors.ArgumentError,
    "argument layers[1] of jit is a str 'relu': not an array of numbers.",
    "  Arguments are arrays and numbers, in pytrees; mark the argument static (static_argnums) if it is neither.",
)
def a_list_with_a_string_as_an_argument() -> Any:
    def f(layers: Any) -> Any:
        return layers[0]

    return fgrad.jit(f)([X, "relu"])  # here


@mistake(
    errors.ArgumentError,
    "argument self of jit is a Layer: not an array of numbers.",
    "  Arguments are arrays and numbers, in pytrees; mark the argument static (static_argnums) if it is neither.",
)
def a_method_without_static_self() -> Any:
    class Layer:
        @fgrad.jit
        def apply(self, x: Any) -> Any:
            return 2.0 * x

    return Layer().apply(X)  # here


@mistake(
    errors.ArgumentError,
    "argument activation of jit is an ufunc: not an array of numbers.",
    "  Arguments are arrays and numbers, in pytrees; mark the argument static (static_argnums) if it is neither.",
)
def a_function_as_an_argument() -> Any:
    def f(activation: Any, x: Any) -> Any:
        return activation(x)

    return fgrad.jit(f)(np.tanh, X)  # here


@mistake(
    errors.ArgumentError,
    "`<lambda>` closes over values that are being traced, so that its program is not complete.",
    "  Call lower outside of the transform, or pass them as arguments.",
)
def lowering_what_closes_over_traced_values() -> Any:
    def loss(w: Any) -> Any:
        return fgrad.jit(lambda x: x * w).lower(2.0).as_text()  # here

    return fgrad.grad(loss)(2.0)


@mistake(
    errors.OutputTypeError,
    "`f` returned a str 'done' in jit, at output['y'][1].",
    "  Return arrays and numbers, in pytrees.",
)
def a_string_is_returned_from_jit() -> Any:
    def f(x: Any) -> Any:
        return {"y": [x, "done"]}

    return fgrad.jit(f)(X)  # here


@mistake(
    errors.OutputTypeError,
    "`<lambda>` returned a Model in vmap, at output[1].",
    "  Return arrays and numbers, in pytrees.",
)
def an_object_is_returned_from_vmap() -> Any:
    return fgrad.vmap(lambda x: (x, Model()))(X)  # here


@mistake(
    errors.OutputTypeError,
    "`<lambda>` returned a str 'done' in jvp, at output[1].",
    "  Return arrays and numbers, in pytrees.",
)
def a_string_is_returned_from_jvp() -> Any:
    return fgrad.jvp(lambda x: (x, "done"), (X,), (X,))  # here


@mistake(
    errors.OutputTypeError,
    "`<lambda>` returned an ufunc in linearize, at output[1].",
    "  Return arrays and numbers, in pytrees.",
)
def a_function_is_returned_from_linearize() -> Any:
    return fgrad.linearize(lambda x: (x, np.sin), X)  # here


@mistake(
    errors.OutputTypeError,
    "`<lambda>` returned an array of shape (1,) and dtype object in jacfwd, at output[1].",
    "  Return arrays and numbers, in pytrees.",
)
def an_object_array_is_returned_from_jacfwd() -> Any:
    return fgrad.jacfwd(lambda x: (x, np.array([None])))(X)  # here


@mistake(
    errors.OutputTypeError,
    "`<lambda>` returned a str 'done' in checkpoint, at output[1].",
    "  Return arrays and numbers, in pytrees.",
)
def a_string_is_returned_from_checkpoint() -> Any:
    return fgrad.checkpoint(lambda x: (x, "done"))(X)  # here


# --- Tangents, cotangents, trees ---


@mistake(
    errors.ArgumentError,
    "primals of jvp must be a tuple with one entry per argument, got an array of shape (3,) and dtype float64.",
    "  Write jvp(f, (x,), (t,)).",
)
def primals_without_a_tuple() -> Any:
    return fgrad.jvp(np.sin, X, X)  # here


@mistake(
    errors.TreeStructureError,
    (
        "jvp: tangents must have the structure of primals: at [0]: expected a dict with keys 'b', 'w', got a "
        "dict with key 'w'; missing key 'b'."
    ),
    "  Give one tangent for every array of primals.",
)
def a_tangent_is_missing() -> Any:
    def f(params: Any, x: Any) -> Any:
        return params["w"] * x

    return fgrad.jvp(f, ({"w": X, "b": 1.0}, X), ({"w": X}, X))  # here


@mistake(
    errors.TreeStructureError,
    (
        "jvp: tangents must have the structure of primals: at the root: expected a tuple of length 2, got a "
        "tuple of length 1."
    ),
    "  Give one tangent for every array of primals.",
)
def too_few_tangents() -> Any:
    return fgrad.jvp(lambda x, y: x * y, (X, X), (X,))  # here


@mistake(
    errors.ShapeError,
    "jvp: tangents[0]['w'] is f32[3], but it must be f64[3] as in primals.",
    "  Convert it: tangents[0]['w'].astype('float64').",
)
def a_tangent_of_another_dtype() -> Any:
    return fgrad.jvp(lambda p: p["w"], ({"w": X},), ({"w": X.astype(np.float32)},))  # here


@mistake(
    errors.ShapeError,
    "jvp: tangents[0]['w'] is f64[3,1], but it must be f64[3] as in primals.",
    "  Nothing is broadcast here: give it the shape (3,).",
)
def a_tangent_of_another_shape() -> Any:
    return fgrad.jvp(lambda p: p["w"], ({"w": X},), ({"w": np.ones((3, 1))},))  # here


@mistake(
    errors.NonDifferentiableError,
    "jvp: tangents[1] is not 0, but it belongs to i64[] in primals.",
    "  Integers and booleans do not vary: give 0, or make it a float.",
)
def a_tangent_of_an_integer() -> Any:
    return fgrad.jvp(lambda x, n: x**n, (2.0, 3), (1.0, 1.0))  # here


@mistake(
    errors.ArgumentError,
    "jvp: tangents[0] is a str 'up': not an array of numbers.",
    "  Tangents and cotangents are arrays and numbers, in pytrees.",
)
def a_tangent_that_is_a_string() -> Any:
    return fgrad.jvp(np.sin, (1.0,), ("up",))  # here


@mistake(
    errors.TreeStructureError,
    (
        "the pullback of `f`: cotangent must have the structure of the output: at ['max']: expected a list "
        "of length 1, got a leaf."
    ),
    "  Give one cotangent for every array of the output.",
)
def a_cotangent_of_another_structure() -> Any:
    def f(x: Any) -> Any:
        return {"mean": x.mean(), "max": [x.max()]}

    _, pullback = fgrad.vjp(f, X)
    return pullback({"mean": 1.0, "max": 0.0})  # here


@mistake(
    errors.ShapeError,
    "the pullback of `<lambda>`: cotangent['y'] is f64[], but it must be f64[3] as in the output.",
    "  Nothing is broadcast here: give it the shape (3,).",
)
def a_cotangent_of_another_shape() -> Any:
    _, pullback = fgrad.vjp(lambda x: {"y": 2 * x}, X)
    return pullback({"y": 1.0})  # here


@mistake(
    errors.ArgumentError,
    "the pullback of `<lambda>` takes one cotangent, like the output, got 2 arguments.",
    "  Where the output is a tuple, give one tuple: f_vjp((ct1, ct2)).",
)
def several_cotangents() -> Any:
    _, pullback = fgrad.vjp(lambda x: (x, x), X)
    return pullback(X, X)  # here


@mistake(
    errors.ArgumentError,
    "primals of hvp must be a tuple with one entry per argument, got an array of shape (3,) and dtype float64.",
    "  Write hvp(f, (x,), (t,)).",
)
def primals_of_hvp_without_a_tuple() -> Any:
    return fgrad.hvp(lambda x: (x**3).sum(), X, X)  # here


@mistake(
    errors.TreeStructureError,
    (
        "map: tree 2 does not fit tree 1 at ['layers'][1]: expected a dict with key 'w', got a dict with key "
        "'v'; missing key 'w'; unexpected key 'v'"
    ),
    "  Give it the same containers, down to the places of the leaves.",
)
def trees_that_do_not_fit() -> Any:
    params = {"layers": [{"w": X}, {"w": X}]}
    gradients = {"layers": [{"w": X}, {"v": X}]}
    return fgrad.tree.map(lambda p, g: p - g, params, gradients)  # here


@mistake(
    errors.ArgumentError,
    "linear_transpose needs a linear function, but in `f`, `sin` is not linear.",
    "  For the transpose of the derivative at a point use fgrad.vjp(f, x).",
)
def the_transpose_of_what_is_not_linear() -> Any:
    def f(x: Any) -> Any:
        return np.sin(x)

    return fgrad.linear_transpose(f, X)  # here


@mistake(
    errors.ArgumentError,
    (
        "linear_transpose needs a linear function, but in `<lambda>`, `mul` of two values that both depend "
        "on the inputs is not linear."
    ),
    "  For the transpose of the derivative at a point use fgrad.vjp(f, x).",
)
def the_transpose_of_a_square() -> Any:
    return fgrad.linear_transpose(lambda x: x * x, X)  # here


@mistake(
    errors.ArgumentError,
    "linear_transpose needs a linear function, but in `<lambda>`, `add` of a constant is affine, not linear.",
    "  For the transpose of the derivative at a point use fgrad.vjp(f, x).",
)
def the_transpose_of_an_affine_function() -> Any:
    return fgrad.linear_transpose(lambda x: 2 * x + 1.0, X)  # here


@mistake(
    errors.NonDifferentiableError,
    "linear_transpose needs real or complex inputs, but x is i64[3].",
    "  Let the function close over integers.",
)
def the_transpose_at_integers() -> Any:
    return fgrad.linear_transpose(lambda x: 2 * x, np.arange(3))  # here


# --- Rules of the user's own ---


@mistake(
    errors.ArgumentError,
    "the custom_jvp function `f` was called before it had a rule.",
    "  Define one: @f.defjvp.",
)
def a_custom_function_without_a_rule() -> Any:
    @fgrad.custom_jvp
    def f(x: Any) -> Any:
        return 2 * x

    return fgrad.grad(f)(1.0)  # here


@mistake(
    errors.ArgumentError,
    "the custom_vjp function `f` was called before it had a rule.",
    "  Define one: f.defvjp(fwd, bwd).",
)
def a_custom_vjp_function_without_a_rule() -> Any:
    @fgrad.custom_vjp
    def f(x: Any) -> Any:
        return 2 * x

    return f(1.0)  # here


def with_jvp(rule: Callable[..., Any]) -> Any:
    @fgrad.custom_jvp
    def f(x: Any) -> Any:
        return 2.0 * x

    f.defjvp(rule)
    return f


def with_vjp(fwd: Callable[..., Any], bwd: Callable[..., Any]) -> Any:
    @fgrad.custom_vjp
    def f(p: Any, n: Any) -> Any:
        return p["w"] * n

    f.defvjp(fwd, bwd)
    return f


@mistake(
    errors.OutputTypeError,
    "the jvp rule of `f` must return (out, tangent), but it returned an array of shape (3,) and dtype float64.",
    "  Return the value of the function and its tangent.",
)
def a_jvp_rule_that_returns_the_tangent_alone() -> Any:
    f = with_jvp(lambda primals, tangents: 2.0 * tangents[0])
    return fgrad.grad(lambda x: f(x).sum())(X)  # here


@mistake(
    errors.TreeStructureError,
    "the jvp rule of `f` returned a tuple of length 1 for the tangent of output, which is f64[3].",
    "  Return an array of that shape; None for 0.",
)
def a_jvp_rule_whose_tangent_is_a_tuple() -> Any:
    f = with_jvp(lambda primals, tangents: (2.0 * primals[0], (2.0 * tangents[0],)))
    return fgrad.jvp(f, (X,), (X,))  # here


@mistake(
    errors.ShapeError,
    "the jvp rule of `f` returned a tangent f64[] for output, which is f64[3].",
    "  A tangent has the shape of its value.",
)
def a_jvp_rule_whose_tangent_has_another_shape() -> Any:
    f = with_jvp(lambda primals, tangents: (2.0 * primals[0], tangents[0].sum()))
    return fgrad.jvp(f, (X,), (X,))  # here


@mistake(
    errors.NonDifferentiableError,
    "the jvp rule of `f` returned a tangent for output that does not depend on the tangents of the arguments.",
    "  It must be linear in them: multiply by the tangent; None for 0.",
)
def a_jvp_rule_that_forgets_the_tangent() -> Any:
    f = with_jvp(lambda primals, tangents: (2.0 * primals[0], 2.0))
    return fgrad.grad(f)(1.0)  # here


@mistake(
    errors.OutputTypeError,
    "the jvp rule of `f` returned a str '2' for the tangent of output, which is f64[].",
    "  Return an array of that shape; None for 0.",
)
def a_jvp_rule_that_returns_a_string() -> Any:
    f = with_jvp(lambda primals, tangents: (2.0 * primals[0], "2"))
    return fgrad.grad(f)(1.0)  # here


@mistake(
    errors.OutputTypeError,
    "the forward rule of `f` must return (out, res), but it returned a float 2.0.",
    "  Return the value, and what the backward rule needs (None if nothing).",
)
def a_forward_rule_that_returns_the_value_alone() -> Any:
    f = with_vjp(lambda p, n: p["w"] * n, lambda res, ct: (None, None))
    return fgrad.grad(lambda w: f({"w": w}, 2.0))(1.0)  # here


@mistake(
    errors.TreeStructureError,
    "the backward rule of `f` must return a tuple of 2 cotangents (p, n), but it returned a tuple of length 1.",
    "  Return one per argument; None for 0.",
)
def a_backward_rule_with_too_few_cotangents() -> Any:
    f = with_vjp(lambda p, n: (p["w"] * n, n), lambda n, ct: ({"w": n * ct},))
    return fgrad.grad(lambda w: f({"w": w}, 2.0))(1.0)  # here


@mistake(
    errors.TreeStructureError,
    (
        "the backward rule of `f` returned a cotangent that is not like the argument p, at the root: "
        "expected a dict with key 'w', got an array of shape () and dtype float64"
    ),
    "  Give it the same containers, down to the places of the leaves.",
)
def a_backward_rule_whose_cotangent_has_another_structure() -> Any:
    f = with_vjp(lambda p, n: (p["w"] * n, n), lambda n, ct: (n * ct, None))
    return fgrad.grad(lambda w: f({"w": w}, 2.0))(1.0)  # here


@mistake(
    errors.ShapeError,
    "the backward rule of `f` returned a cotangent f64[] for p['w'], which is f64[3].",
    "  A cotangent has the shape of its argument: sum over what was broadcast.",
)
def a_backward_rule_whose_cotangent_has_another_shape() -> Any:
    f = with_vjp(lambda p, n: (p["w"] * n, n), lambda n, ct: ({"w": (n * ct).sum()}, None))
    return fgrad.grad(lambda w: f({"w": w}, 2.0).sum())(X)  # here


@mistake(
    errors.ArgumentError,
    "argument mode of custom_vjp is a str 'fast': not an array of numbers.",
    "  Arguments are arrays and numbers, in pytrees; name the argument in nondiff_argnums if it is neither.",
)
def a_string_for_a_custom_function() -> Any:
    @fgrad.custom_vjp
    def f(x: Any, mode: Any) -> Any:
        return 2 * x

    f.defvjp(lambda x, mode: (f(x, mode), None), lambda res, ct: (2 * ct, None))
    return f(1.0, "fast")  # here


@mistake(
    errors.ArgumentError,
    "nondiff_argnums of custom_vjp names 'kind', which is no argument of `<lambda>`.",
    "  Its arguments are x, mode.",
)
def nondiff_argnums_that_do_not_exist() -> Any:
    return fgrad.custom_vjp(lambda x, mode: x, nondiff_argnums=("kind",))  # here


@mistake(
    errors.MissingRuleError,
    (
        "forward mode transposes the backward rule of `f`, which must be linear in the cotangents, but "
        "`maximum` is not linear."
    ),
    "  Take the derivative in reverse mode, or use custom_jvp.",
)
def forward_mode_through_a_rule_that_is_not_linear() -> Any:
    @fgrad.custom_vjp
    def f(x: Any) -> Any:
        return x

    f.defvjp(lambda x: (x, None), lambda res, ct: (np.clip(ct, -1.0, 1.0),))
    return fgrad.jvp(f, (1.0,), (1.0,))  # here


# --- Indices ---


@mistake(
    errors.OutOfBoundsError,
    "index 3 is out of bounds for axis 0 of an array of shape (3,).",
    "  Valid are -3 to 2.",
)
def an_index_out_of_bounds_under_grad() -> Any:
    return fgrad.grad(lambda w: w[3])(X)  # here


@mistake(
    errors.OutOfBoundsError,
    "index -4 is out of bounds for axis 0 of an array of shape (3,).",
    "  Valid are -3 to 2.",
)
def an_index_out_of_bounds_under_jit() -> Any:
    return fgrad.jit(lambda w: w[..., -4])(X)  # here


@mistake(
    errors.OutOfBoundsError,
    "index 3 is out of bounds for axis 0 with size 3.",
    "  Check the indices; fgrad.numpy.clip(index, 0, size - 1) moves them into the axis.",
)
def a_traced_index_out_of_bounds_under_grad() -> Any:
    return fgrad.grad(lambda w, i: w[i].sum())(X, np.array([0, 3]))  # here


@mistake(
    errors.OutOfBoundsError,
    "index 3 is out of bounds for axis 0 with size 3.",
    "  Check the indices; fgrad.numpy.clip(index, 0, size - 1) moves them into the axis.",
)
def a_traced_index_out_of_bounds_under_jit() -> Any:
    pick = fgrad.jit(lambda w, i: w[i])  # here
    assert pick(X, 1) == 1.0
    return pick(X, 3)


@mistake(
    errors.OutOfBoundsError,
    "index -4 is out of bounds for axis 0 with size 3.",
    "  Check the indices; fgrad.numpy.clip(index, 0, size - 1) moves them into the axis.",
)
def a_traced_index_out_of_bounds_under_vmap() -> Any:
    return fgrad.vmap(lambda w, i: w[i], (None, 0))(X, np.array([0, -4]))  # here


@mistake(
    errors.InvalidIndexError,
    "too many indices: an array of shape (3,) has 1 axes, 2 were indexed.",
    "  Give one index per axis at most; None makes a new axis.",
)
def too_many_indices() -> Any:
    return fgrad.grad(lambda w: w[0, 1])(X)  # here


@mistake(
    errors.NonConcreteBooleanIndexError,
    "a mask (bool[3]) selects an unknown number of elements: it has no value in jit of `positive` (defined).",
    "  Use fgrad.numpy.where(mask, x, other), or give the number of elements: x[fgrad.numpy.nonzero(mask, size=n)].",
)
def a_mask_under_jit() -> Any:
    def positive(x: Any) -> Any:  # defined
        return x[x > 0].sum()  # here

    return fgrad.jit(positive)(X)


@mistake(
    errors.InvalidIndexError,
    "an index array must hold integers or booleans, got f64[].",
    (
        "  Integers, slices, `...`, `None`, and integer or boolean arrays are indices. Convert with "
        ".astype(int) or .astype(bool)."
    ),
)
def an_index_that_is_no_integer() -> Any:
    return fgrad.grad(lambda w: w[1.0])(X)  # here


@mistake(
    errors.TracerIntegerConversionError,
    "a slice needs values for its bounds, got a traced i64[] without one, in jit of `first` (defined).",
    (
        "  Its length would be unknown: take n elements at a traced position with x[start + "
        "numpy.arange(n)], or mark the bound static (static_argnums)."
    ),
)
def a_slice_of_unknown_length() -> Any:
    def first(x: Any, n: Any) -> Any:  # defined
        return x[:n].sum()  # here

    return fgrad.jit(first)(X, 2)


@mistake(
    errors.ImmutableTracerError,
    "x.at[index] = value writes nowhere: .at makes a new array.",
    "  Write x = x.at[index].set(value).",
)
def an_assignment_to_at() -> Any:
    def loss(w: Any) -> Any:
        w.at[0] = 1.0  # here
        return w.sum()

    return fgrad.grad(loss)(X)


@mistake(
    errors.ImmutableTracerError,
    ".sort() would write into a traced f64[3], in grad of `loss` (defined).",
    "  Write x = fgrad.numpy.sort(x).",
)
def a_method_that_writes() -> Any:
    def loss(w: Any) -> Any:  # defined
        w.sort()  # here
        return w[0]

    return fgrad.grad(loss)(X)


@mistake(
    errors.ShapeError,
    "x.at[index].set: values of shape (3,) do not broadcast to the shape (2,) of x[index].",
    "  Give one value, or values of the shape of what is replaced.",
)
def an_update_that_does_not_broadcast() -> Any:
    return fgrad.grad(lambda w: w.at[:2].set(np.ones(3)).sum())(X)  # here


@pytest.fixture(autouse=True)
def no_frames_of_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks of every program that run in all other tests stand between fgrad and the function it is given."""
    for module in (jvp, jaxprs, sys.modules["fgrad.api.grad"]):
        monkeypatch.setattr(module, "linearize", getattr(jvp.linearize, "__wrapped__", jvp.linearize))


PLACE = re.compile(re.escape(__file__) + r":(\d+)")
AT = re.compile(r"  at " + re.escape(__file__) + r":(\d+) \(([\w<>]+)\): (.*)")


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.run.__name__)
def test_mistake(case: Mistake) -> None:
    with pytest.raises(case.error) as caught:
        case.run()
    error = caught.value
    assert type(error) is case.error
    lines = str(error).splitlines()
    assert len(lines) <= 6
    (at,) = (i for i, line in enumerate(lines) if line.startswith("  at "))
    place = AT.fullmatch(lines[at])
    assert place is not None, lines[at]
    assert marked(int(place[1])) == "here"
    source = linecache.getline(__file__, int(place[1])).strip()
    assert source.startswith(place[3].removesuffix("…"))

    def plain(part: list[str]) -> str:
        return PLACE.sub(lambda found: marked(int(found[1])), "\n".join(part))

    assert plain(lines[:at]) == case.what
    assert plain(lines[at + 1 :]) == case.cure
    assert case.cure
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    files = frames(error.__traceback__)
    assert files[0] == __file__
    assert not [file for file in files if file.startswith((PACKAGE, "<fgrad "))]


def test_copies_of_traced_arrays_are_the_arrays() -> None:
    def loss(w: Any) -> Any:
        assert copy.copy(w) is w
        assert copy.deepcopy({"w": w})["w"] is w
        return (w * w).sum()

    np.testing.assert_array_equal(fgrad.grad(loss)(X), 2 * X)


def test_a_leaked_value_can_be_printed() -> None:
    kept: list[Any] = []

    def loss(w: Any) -> Any:
        kept.append(w * 2.0)
        return w

    fgrad.grad(loss)(2.0)
    assert repr(kept[0]) == "Tracer<f64[], grad, value=4.0>"
    assert f"{kept[0]:.2f}" == "4.00"


def test_values_of_python_where_no_derivative_is_lost() -> None:
    def loss(w: Any) -> Any:
        assert not math.isnan(w)
        assert math.exp(fgrad.stop_gradient(w)) == math.exp(float(w))
        return w * math.floor(w)

    assert fgrad.grad(loss)(2.5) == 2.0
    scaled = fgrad.vmap(lambda x, s: x * math.exp(s), (0, None))(X, 0.0)
    np.testing.assert_array_equal(scaled, X)


def test_a_value_that_carries_no_derivative_may_become_an_array() -> None:
    def loss(w: Any) -> Any:
        order = np.asarray(fnp.argsort(w))
        assert type(order) is np.ndarray
        weights = np.zeros(3)
        weights[0] = fgrad.stop_gradient(w[2])
        return (w * weights[order]).sum()

    np.testing.assert_array_equal(fgrad.grad(loss)(X), [2.0, 0.0, 0.0])


REMEDIES: dict[str, tuple[Callable[[], Any], Any]] = {
    "sum the loss": (lambda: fgrad.grad(lambda w: (w * w).sum())(X), 2 * X),
    "jacrev": (lambda: fgrad.jacrev(lambda w: w * w)(X), np.diag(2 * X)),
    "has_aux": (lambda: fgrad.grad(lambda w: (w.sum(), "anything"), has_aux=True)(X)[0], np.ones(3)),
    "float for int": (lambda: fgrad.grad(lambda w: w * w)(3.0), 6.0),
    "astype": (lambda: fgrad.grad(lambda w: w.sum())(np.arange(3).astype(float)), np.ones(3)),
    "allow_int": (lambda: fgrad.grad(lambda w: 1.0, allow_int=True)(3).dtype.kind, "V"),
    "argnums by name": (lambda: fgrad.grad(lambda w, b: w * b, argnums="b")(2.0, b=3.0), 2.0),
    "a dict for arguments by name": (
        lambda: fgrad.vmap(lambda x, y: x * y, in_axes={"x": 0, "y": None})(M, y=X),
        M * X,
    ),
    "None in in_axes": (lambda: fgrad.vmap(lambda x, s: x * s, in_axes=(0, None))(M, 2.0), 2 * M),
    "axis_size": (lambda: fgrad.vmap(lambda x: x, in_axes=None, axis_size=2)(X), M * X),
    "out_axes": (lambda: fgrad.vmap(lambda x: x, out_axes=1)(M), M.T),
    "at": (lambda: fgrad.grad(lambda w: w.at[0].set(1.0).sum())(X), [0.0, 1.0, 1.0]),
    "at of an array": (lambda: fgrad.grad(lambda w: fnp.at(np.zeros(3))[0].set(w).sum())(2.0), 1.0),
    "at a traced index": (lambda: fgrad.jit(lambda i: fnp.at(np.zeros(3))[i].set(1.0))(1), [0.0, 1.0, 0.0]),
    "collect and stack": (lambda: fgrad.grad(lambda w: np.stack([2.0 * v for v in w]).sum())(X), np.full(3, 2.0)),
    "not in place": (lambda: fgrad.grad(lambda w: (np.zeros(3) + w).sum())(X), np.ones(3)),
    "where": (lambda: fgrad.jit(lambda x: fnp.where(x > 0, x, -x))(-2.0), 2.0),
    "where under vmap": (lambda: fgrad.vmap(lambda x: fnp.where(x > 1, x, -x))(X), [0.0, -1.0, 2.0]),
    "& for and": (lambda: fgrad.jit(lambda x: (x > 0) & (x < 1))(0.5), True),
    "static_argnums": (lambda: fgrad.jit(lambda x, n: x * sum(range(n)), static_argnums=1)(2.0, 3), 6.0),
    "NumPy for math": (lambda: fgrad.grad(np.arctan)(1.0), 0.5),
    "take from the items": (lambda: fgrad.jit(lambda i: fnp.take(fnp.stack([X, -X]), i, axis=0))(1), -X),
    "take": (lambda: fgrad.jit(lambda i: fnp.take(M * X, i, axis=0))(1), X),
    "get": (lambda: fgrad.vmap(lambda i: fnp.at(X)[i].get())(np.array([2, 0])), [2.0, 0.0]),
    "where for a mask": (lambda: fgrad.jit(lambda x: fnp.where(x > 1, X, 0).sum())(X), 2.0),
    "nonzero of a known size": (lambda: fgrad.jit(lambda x: x[fnp.nonzero(x > 0, size=2)])(X), [1.0, 2.0]),
    "array": (lambda: fgrad.grad(lambda w: fnp.array([w, 2 * w]).sum())(1.0), 3.0),
    "NumPy's functions take it": (lambda: fgrad.grad(lambda w: np.stack([w, 2 * w]).sum())(1.0), 3.0),
    "a tuple for a list": (lambda: fgrad.jit(lambda x, s: x * len(s), static_argnums=1)(2.0, (1, 2)), 4.0),
    "close over it": (lambda: fgrad.grad(functools.partial(lambda f, w: f(w), np.sin))(0.0), 1.0),
    "the cotangent of a tuple": (lambda: fgrad.vjp(lambda x: (x, 2 * x), 1.0)[1]((1.0, 1.0))[0], 3.0),
    "vjp for the transpose": (lambda: fgrad.vjp(np.sin, 0.0)[1](2.0)[0], 2.0),
    "arange for a slice": (lambda: fgrad.jit(lambda x, i: x[i + np.arange(2)])(X, 1), [1.0, 2.0]),
    "clip the index": (lambda: fgrad.jit(lambda w, i: w[fnp.clip(i, 0, 2)])(X, 7), 2.0),
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_remedies_work_as_they_are_given(remedy: str) -> None:
    follow, expected = REMEDIES[remedy]
    np.testing.assert_array_equal(follow(), expected)


def test_every_frame_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_TRACEBACK", "full")
    with pytest.raises(errors.NonScalarOutputError) as caught:
        fgrad.grad(lambda w: w)(X)
    assert any(file.startswith(PACKAGE) for file in frames(caught.value.__traceback__))


def test_errors_in_compiled_code_name_the_users_line() -> None:
    def reciprocal(x: Any) -> Any:
        y = x - 1.0
        return 1.0 / y  # here

    for f in (fgrad.jit(reciprocal), fgrad.grad(lambda x: fgrad.jit(reciprocal)(x).sum())):
        with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero") as caught:
            f(X)
        (note,) = caught.value.__notes__
        place = AT.fullmatch(note.splitlines()[1])
        assert place is not None
        assert marked(int(place[1])) == "here"
        assert {*frames(caught.value.__traceback__)} == {__file__}


def test_errors_of_the_users_own_pass_through_unchanged() -> None:
    def loss(w: Any) -> Any:
        return 1 // 0

    for transform in (fgrad.grad, fgrad.jit, fgrad.vmap, fgrad.checkpoint, fgrad.jacfwd):
        with pytest.raises(ZeroDivisionError, match="integer division or modulo by zero") as caught:
            transform(loss)(X)
        assert {*frames(caught.value.__traceback__)} == {__file__}
        assert caught.value.__traceback__ is not None
        names = [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)]
        assert names[-1] == "loss"


def test_every_class_is_documented_and_derives_from_what_python_users_catch() -> None:
    for name in errors.__all__:
        cls = getattr(errors, name)
        assert cls.__doc__
        assert issubclass(cls, errors.FgradError)
    for cls in {case.error for case in MISTAKES}:
        assert issubclass(cls, (TypeError, ValueError, IndexError, AssertionError, NotImplementedError))
