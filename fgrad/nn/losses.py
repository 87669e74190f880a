"""Losses. Each gives one number per example, which the caller averages or adds up (`masked_mean` leaves out padding).

Names and arguments are optax's. All are differentiable in predictions and in targets that are not integers.
"""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad import lax, tree
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.nn.activations import softplus
from fgrad.nn.operands import axis_of, check_shape, floating

__all__ = [
    "cosine_distance",
    "cosine_similarity",
    "ctc_loss",
    "half_mean_squares",
    "hinge_loss",
    "huber_loss",
    "kl_divergence",
    "l2_loss",
    "l2_regularization",
    "log_cosh",
    "masked_mean",
    "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "squared_error",
]


@public
def squared_error(predictions: Any, targets: Any | None = None) -> Array:
    """`squared_error(p, t)`: (p − t)², element by element.

    Args:
        predictions: an array.
        targets: an array of the same shape; left out, zeros.

    Raises:
        ShapeError: the shapes differ.

    >>> squared_error([1.0, 3.0], [1.0, 1.0])
    array([0., 4.])
    """
    return fnp.square(_difference("squared_error", predictions, targets))


@public
def l2_loss(predictions: Any, targets: Any | None = None) -> Array:
    """`l2_loss(p, t)`: ½·(p − t)², element by element; its derivative is p − t.

    Args:
        predictions: an array.
        targets: an array of the same shape; left out, zeros.

    Raises:
        ShapeError: the shapes differ.

    >>> l2_loss([1.0, 3.0], [1.0, 1.0])
    array([0., 2.])
    """
    return 0.5 * fnp.square(_difference("l2_loss", predictions, targets))


@public
def half_mean_squares(predictions: Any, targets: Any) -> Array:
    """`half_mean_squares(p, t)`: Σ (p − t)² / (2·m) over all elements of m examples, which are along the first axis.

    With p = X·w its gradient by w is Xᵀ(X·w − t) / m.

    Args:
        predictions: an array with at least one axis.
        targets: an array of the same shape.

    Raises:
        ShapeError: the shapes differ, or are ().

    >>> float(half_mean_squares([1.0, 3.0], [1.0, 1.0]))
    1.0
    """
    d = _difference("half_mean_squares", predictions, targets)
    if not fnp.ndim(d):
        raise ShapeError(message("half_mean_squares: `predictions` must have an axis of examples, got a scalar."))
    return fnp.sum(fnp.square(d)) / (2 * fnp.shape(d)[0])


@public
def huber_loss(predictions: Any, targets: Any | None = None, delta: Any = 1.0) -> Array:
    """`huber_loss(p, t)`: with d = |p − t|, ½·d² where d ≤ δ and δ·(d − ½·δ) beyond, element by element.

    Args:
        predictions: an array.
        targets: an array of the same shape; left out, zeros.
        delta: δ, where the parabola becomes a line.

    Raises:
        ShapeError: the shapes differ.

    >>> huber_loss([0.5, 3.0], [0.0, 0.0])
    array([0.125, 2.5  ])

    Source: Huber, "Robust estimation of a location parameter" (1964).
    """
    d = _difference("huber_loss", predictions, targets)
    inside = fnp.clip(d, -delta, delta)
    return 0.5 * fnp.square(inside) + delta * (fnp.abs(d) - fnp.abs(inside))


@public
def log_cosh(predictions: Any, targets: Any | None = None) -> Array:
    """`log_cosh(p, t)`: log(cosh(p − t)), element by element: ½·(p − t)² near 0, and |p − t| − log 2 far away.

    Args:
        predictions: an array.
        targets: an array of the same shape; left out, zeros.

    Raises:
        ShapeError: the shapes differ.

    >>> log_cosh([0.0, 100.0]).round(4)
    array([ 0.    , 99.3069])
    """
    d = _difference("log_cosh", predictions, targets)
    return fnp.logaddexp(d, -d) - fnp.log(2.0).astype(d.dtype)


@public
def hinge_loss(predictions: Any, targets: Any) -> Array:
    """`hinge_loss(p, t)`: max(0, 1 − p·t), element by element, with targets −1 and 1. Its derivative at the kink is 0.

    Args:
        predictions: an array.
        targets: an array of the same shape.

    Raises:
        ShapeError: the shapes differ.

    >>> hinge_loss([0.5, 0.5], [1.0, -1.0])
    array([0.5, 1.5])

    Source: Cortes & Vapnik, "Support-vector networks" (1995).
    """
    p, t = _pair("hinge_loss", predictions, targets)
    return fnp.maximum(1 - p * t, 0)


@public
def sigmoid_binary_cross_entropy(logits: Any, labels: Any) -> Array:
    """`sigmoid_binary_cross_entropy(z, y)`: −y·log σ(z) − (1 − y)·log(1 − σ(z)), element by element.

    Accurate for every z, and its derivative is σ(z) − y.

    Args:
        logits: an array of log-odds.
        labels: probabilities of the same shape, or booleans.

    Raises:
        ShapeError: the shapes differ.

    >>> sigmoid_binary_cross_entropy([0.0, 100.0], [1.0, 1.0]).round(4)
    array([0.6931, 0.    ])
    """
    z, y = _pair("sigmoid_binary_cross_entropy", logits, labels, ("logits", "labels"))
    return softplus(z) - y * z


@public
def softmax_cross_entropy(logits: Any, labels: Any, axis: int = -1, where: Any = None) -> Array:
    """`softmax_cross_entropy(z, y)`: −Σ y·log softmax(z) along an axis, which is dropped.

    Args:
        logits: an array.
        labels: probabilities, one-hot or not, of the same shape.
        axis: the axis of the classes.
        where: booleans of that shape: which classes there are.

    Raises:
        ShapeError: the shapes differ.
        AxesError: there is no such axis.

    >>> softmax_cross_entropy([[0.0, 0.0], [9.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]).round(4)
    array([6.931e-01, 1.000e-04])
    """
    z, y = _pair("softmax_cross_entropy", logits, labels, ("logits", "labels"))
    axis = axis_of("softmax_cross_entropy", z, axis, "logits")
    if where is None:
        return fnp.logsumexp(z, axis=axis) * fnp.sum(y, axis=axis) - fnp.sum(y * z, axis=axis)
    total = fnp.logsumexp(z, axis=axis, where=where)
    return total * fnp.sum(y, axis=axis, where=where) - fnp.sum(y * z, axis=axis, where=where)


@public
def safe_softmax_cross_entropy(logits: Any, labels: Any) -> Array:
    """`softmax_cross_entropy` over the last axis, where a class with label 0 counts as 0 even at a logit of −∞.

    Args:
        logits: an array.
        labels: probabilities of the same shape.

    Raises:
        ShapeError: the shapes differ.

    >>> float(safe_softmax_cross_entropy([0.0, -fnp.inf], [1.0, 0.0]))
    0.0
    """
    z, y = _pair("safe_softmax_cross_entropy", logits, labels, ("logits", "labels"))
    counted = fnp.where(y == 0, 0.0, y * fnp.where(y == 0, 0.0, z))
    return fnp.logsumexp(z, axis=-1) * fnp.sum(y, axis=-1) - fnp.sum(counted, axis=-1)


@public
def softmax_cross_entropy_with_integer_labels(logits: Any, labels: Any, axis: int = -1) -> Array:
    """`softmax_cross_entropy_with_integer_labels(z, k)`: −log softmax(z)[k], log-sum-exp minus one logit.

    Args:
        logits: an array of shape (*batch, classes), if `axis` is the last.
        labels: integers of shape (*batch,), each less than the number of classes.
        axis: the axis of the classes.

    Raises:
        ArgumentError: the labels are not integers.
        ShapeError: they have another shape.
        IndexError: one is not a class; negative labels count from the last one.

    >>> softmax_cross_entropy_with_integer_labels([[0.0, 0.0], [9.0, 0.0]], [1, 0]).round(4)
    array([6.931e-01, 1.000e-04])
    """
    function = "softmax_cross_entropy_with_integer_labels"
    z, k = floating(function, "logits", logits), fnp.asarray(labels)
    if k.dtype.kind not in "iu":
        cure = "For probabilities there is softmax_cross_entropy."
        raise ArgumentError(message(f"{function}: `labels` must be integers, got dtype {k.dtype}.", cure=cure))
    axis = axis_of(function, z, axis, "logits")
    shape = fnp.shape(z)
    batch = (*shape[:axis], *shape[axis + 1 :])
    check_shape(function, "labels", k, batch, f"{batch}, that of `logits` without its axis of classes")
    chosen = fnp.take_along_axis(z, fnp.expand_dims(k, axis), axis=axis)
    return fnp.logsumexp(z, axis=axis) - fnp.squeeze(chosen, axis)


@public
def kl_divergence(log_predictions: Any, targets: Any, axis: int = -1, where: Any = None) -> Array:
    """`kl_divergence(log q, p)`: Σ p·(log p − log q) along an axis, with 0·log 0 = 0.

    Args:
        log_predictions: logarithms of probabilities.
        targets: probabilities of the same shape.
        axis: the axis to add up over.
        where: booleans of that shape: which elements count.

    Raises:
        ShapeError: the shapes differ.

    >>> float(kl_divergence(fnp.log([0.5, 0.5]), [1.0, 0.0]).round(4))
    0.6931

    Source: Kullback & Leibler, "On information and sufficiency" (1951).
    """
    q, p = _pair("kl_divergence", log_predictions, targets, ("log_predictions", "targets"))
    axis = axis_of("kl_divergence", q, axis, "log_predictions")
    none = p == 0
    terms = fnp.where(none, 0.0, p * (fnp.log(fnp.where(none, 1.0, p)) - fnp.where(none, 0.0, q)))
    return fnp.sum(terms, axis=axis, where=True if where is None else where)


@public
def cosine_similarity(predictions: Any, targets: Any, epsilon: float = 0.0, axis: int = -1) -> Array:
    """`cosine_similarity(p, t)`: Σ p·t / (max(‖p‖, ε)·max(‖t‖, ε)) along an axis.

    For a vector of zeros it is 0, and so is its derivative.

    Args:
        predictions: an array.
        targets: an array of the same shape.
        epsilon: the least length that counts.
        axis: the axis of the vectors.

    Raises:
        ShapeError: the shapes differ.

    >>> float(cosine_similarity([3.0, 4.0], [3.0, 0.0]).round(4))
    0.6
    """
    return _cosine("cosine_similarity", predictions, targets, epsilon, axis)


@public
def cosine_distance(predictions: Any, targets: Any, epsilon: float = 0.0, axis: int = -1) -> Array:
    """`cosine_distance(p, t)`: 1 − `cosine_similarity`.

    Args:
        predictions: an array.
        targets: an array of the same shape.
        epsilon: the least length that counts.
        axis: the axis of the vectors.

    Raises:
        ShapeError: the shapes differ.

    >>> float(cosine_distance([3.0, 4.0], [3.0, 0.0]).round(4))
    0.4
    """
    return 1 - _cosine("cosine_distance", predictions, targets, epsilon, axis)


@public
def smooth_labels(labels: Any, alpha: Any) -> Array:
    """`smooth_labels(y, α)`: (1 − α)·y + α / classes, along the last axis.

    Args:
        labels: probabilities, one-hot or not.
        alpha: how much to smooth, 0 to 1.

    >>> smooth_labels([1.0, 0.0], 0.1)
    array([0.95, 0.05])

    Source: Szegedy et al., "Rethinking the inception architecture for computer vision" (CVPR 2016), section 7.
    """
    y = floating("smooth_labels", "labels", labels)
    axis_of("smooth_labels", y, -1, "labels")
    return (1 - alpha) * y + alpha / fnp.shape(y)[-1]


@public
def masked_mean(values: Any, mask: Any, axis: Any = None) -> Array:
    """`masked_mean(v, m)`: the mean of what the mask leaves, 0 if that is nothing.

    Args:
        values: an array, of losses per step say; what the mask leaves out may be anything, NaN too.
        mask: booleans that broadcast to its shape.
        axis: an axis, or several, or all.

    >>> float(masked_mean([1.0, 3.0, fnp.nan], [True, True, False]))
    2.0
    """
    v = floating("masked_mean", "values", values)
    mask = fnp.asarray(mask)
    if mask.dtype.kind != "b":
        raise ArgumentError(message(f"masked_mean: `mask` must be booleans, got dtype {mask.dtype}."))
    try:
        mask = fnp.broadcast_to(mask, fnp.shape(v))
    except ValueError:
        what = f"masked_mean: `mask`, of shape {fnp.shape(mask)}, does not broadcast to `values`, of {fnp.shape(v)}."
        raise ShapeError(message(what)) from None
    count = fnp.sum(mask, axis=axis).astype(v.dtype)
    return fnp.sum(fnp.where(mask, v, 0.0), axis=axis) / fnp.maximum(count, 1)


@public
def l2_regularization(params: Any, strength: Any, mask: Any = None) -> Array:
    """`l2_regularization(params, λ)`: λ/2·Σ |w|², which added to a loss adds λ·w to its gradient (weight decay).

    Args:
        params: a pytree of arrays.
        strength: λ.
        mask: a pytree of booleans, a prefix of `params`: which arrays count (weights do, biases often do not).

    >>> float(l2_regularization({"w": [3.0, 1.0], "b": [2.0]}, 0.1, {"w": True, "b": False}))
    0.5
    """
    counted = tree.broadcast(True if mask is None else mask, params)
    squares = [
        fnp.sum(_squared_length(w))
        for w, counts in zip(tree.leaves(params), tree.leaves(counted), strict=True)
        if counts
    ]
    return 0.5 * strength * sum(squares, 0.0)


@public
def ctc_loss(
    logits: Any,
    logit_paddings: Any,
    labels: Any,
    label_paddings: Any,
    blank_id: int = 0,
) -> Array:
    """Connectionist temporal classification: −log P(labels), summed over all ways of spreading labels over time.

    A way gives one class to each step; equal neighbours are merged, then blanks dropped, and what is left are the
    labels. Where no way exists (more labels than steps) the loss is +∞, with gradient 0.

    Args:
        logits: shape (batch, steps, classes).
        logit_paddings: shape (batch, steps): 1 (or true) for steps that are padding, at the end.
        labels: integers of shape (batch, length), none of them `blank_id`, each less than `classes`.
        label_paddings: shape (batch, length): 1 (or true) for labels that are padding, at the end.
        blank_id: the class of the blank.

    Returns:
        One number per sequence, shape (batch,).

    Raises:
        ShapeError: the shapes do not fit together.
        ArgumentError: the labels are not integers, or there is no such blank.

    >>> import numpy as np
    >>> float(ctc_loss(np.zeros((1, 2, 2)), np.zeros((1, 2)), np.array([[1]]), np.zeros((1, 1)))[0].round(4))
    0.2877

    Source: Graves et al., "Connectionist temporal classification" (ICML 2006), equations 5 to 8.
    """
    z, k = floating("ctc_loss", "logits", logits), fnp.asarray(labels)
    check_shape("ctc_loss", "logits", z, (None, None, None), "(batch, steps, classes)")
    batch, steps, classes = fnp.shape(z)
    check_shape("ctc_loss", "labels", k, (batch, None), f"({batch}, length)")
    length = fnp.shape(k)[1]
    done, absent = fnp.asarray(logit_paddings) != 0, fnp.asarray(label_paddings) != 0
    check_shape("ctc_loss", "logit_paddings", done, (batch, steps), f"({batch}, {steps}), that of steps in `logits`")
    check_shape("ctc_loss", "label_paddings", absent, (batch, length), f"({batch}, {length}), that of `labels`")
    if k.dtype.kind not in "iu":
        raise ArgumentError(message(f"ctc_loss: `labels` must be integers, got dtype {k.dtype}."))
    if not 0 <= blank_id < classes:
        raise ArgumentError(message(f"ctc_loss: `blank_id` must be one of the {classes} classes, got {blank_id}."))

    # States are blank, label, blank, label, …, blank. A label may be entered from its like, from the blank before, and,
    # where it differs from the label before, from that one.
    log_p = fnp.moveaxis(z - fnp.logsumexp(z, axis=-1, keepdims=True), 1, 0)
    no = -fnp.inf
    differs = fnp.concatenate([fnp.zeros((batch, min(length, 1)), bool), k[:, 1:] != k[:, :-1]], axis=1)
    skip = fnp.where(differs, 0.0, no).astype(z.dtype)
    impossible = fnp.full((batch, 1), no, z.dtype)
    blanks = fnp.concatenate([fnp.zeros((batch, 1), z.dtype), fnp.full((batch, length), no, z.dtype)], axis=1)
    spots = fnp.where(absent, blank_id, k)

    def step(carry: tuple[Array, Array], x: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        blank, label = carry
        log_p, over = x
        emitted = fnp.take_along_axis(log_p, spots, axis=1)
        after = fnp.concatenate([impossible, label], axis=1)
        before = fnp.concatenate([impossible, label], axis=1)[:, :-1] + skip
        new_label = fnp.logaddexp(fnp.logaddexp(label, blank[:, :-1]), before) + emitted
        new_blank = fnp.logaddexp(blank, after) + log_p[:, blank_id, None]
        over = over[:, None]
        return (fnp.where(over, blank, new_blank), fnp.where(over, label, new_label)), None

    start = (blanks, fnp.full((batch, length), no, z.dtype))
    (blank, label), _ = lax.scan(step, start, (log_p, done.T))
    last = fnp.sum(~absent, axis=1)[:, None]
    end = fnp.take_along_axis(blank, last, axis=1)[:, 0]
    if not length:
        return -end
    ends = fnp.take_along_axis(label, fnp.maximum(last - 1, 0), axis=1)[:, 0]
    return -fnp.logaddexp(end, fnp.where(last[:, 0] > 0, ends, no))


def _pair(function: str, x: Any, y: Any, names: tuple[str, str] = ("predictions", "targets")) -> tuple[Array, Array]:
    """Two arrays of one shape."""
    x, y = floating(function, names[0], x), floating(function, names[1], y)
    if fnp.shape(x) != fnp.shape(y):
        what = f"{function}: `{names[1]}` must have the shape of `{names[0]}`, {fnp.shape(x)}, got {fnp.shape(y)}."
        raise ShapeError(message(what))
    return x, y


def _difference(function: str, predictions: Any, targets: Any | None) -> Array:
    if targets is None:
        return floating(function, "predictions", predictions)
    p, t = _pair(function, predictions, targets)
    return p - t


def _squared_length(w: Any) -> Array:
    """|w|², without the kink of |w|, which would hide the second derivative at 0."""
    return fnp.square(fnp.real(w)) + fnp.square(fnp.imag(w)) if fnp.iscomplexobj(w) else fnp.square(w)


def _cosine(function: str, predictions: Any, targets: Any, epsilon: float, axis: int) -> Array:
    p, t = _pair(function, predictions, targets)
    axis = axis_of(function, p, axis, "predictions")
    return fnp.sum(_unit(p, epsilon, axis) * _unit(t, epsilon, axis), axis=axis)


def _unit(x: Array, epsilon: float, axis: int) -> Array:
    """x over its length along an axis, which counts as at least ε; 0, a constant, where that is 0."""
    length = fnp.maximum(fnp.linalg.norm(x, axis=axis, keepdims=True), epsilon)
    return x / fnp.where(length == 0, fnp.inf, length)
