"""Idioms: methods of arrays and of ufuncs, fancy indexing, choices, loops over rows."""

from __future__ import annotations

import numpy as np


def ufunc_methods(x, y):
    table = np.multiply.outer(x, y)
    return np.add.reduce(table, axis=0), np.maximum.reduce(table, axis=1), np.multiply.accumulate(x)


def reduced_segments(x):
    return np.add.reduceat(x, [0, 2, 3])


def method_chain(a):
    return a.T.reshape(2, -1).swapaxes(0, 1).cumsum(axis=0).clip(-1.05, 2.03).ravel()[::-1].take([0, 2, 4])


def methods_of_arrays(x):
    return x.max() - x.min(), x.prod(), x.mean(), x.var(), x.dot(x), x[x.argsort()].cumprod(), x.repeat(2).sum()


def fancy(a):
    rows, columns = np.array([0, 2, 3]), np.array([1, 0, 1])
    return a[rows, columns] * a[np.ix_([0, 1, 2], [1])].squeeze() + a[-1, None, 0] + a[..., ::-1][1:4, 0]


def chosen(x):
    return np.select([x < 0, x < 1], [x**2, np.sqrt(np.abs(x) + 1)], default=np.log1p(np.abs(x)))


def pieces(x):
    return np.piecewise(x, [x < 0, x >= 1], [lambda v: -v, lambda v: v**3, np.sin])


def masked_mean(x):
    keep = x > 0
    return np.sum(x, where=keep) / np.count_nonzero(keep)


def rows_one_by_one(a):
    total = 0.0
    for number, row in enumerate(a):
        first, second = row
        total += (number + 1) * first / (1 + abs(second)) if len(row) == 2 else 0.0
    return total


def along_axis(a):
    return np.apply_along_axis(lambda v: v / np.linalg.norm(v), 0, a)


def grid(x, y):
    u, v = np.meshgrid(x, y, indexing="ij")
    return np.hypot(u, v).sum(axis=-1), np.gradient(u * v, axis=0)


def operators(x, y):
    q, r = divmod(x, 0.7)
    return (x // 0.7) * 0 + r + q * 0, -x + +y, abs(x) ** 2.5, 2.0**y, x @ y, (x % 0.77) / y, round(x[2]) * x[0]


def in_place_names(x):
    x = x * 1
    x += 2
    x *= x
    x /= 3.0
    x -= np.sin(x)
    return x


def pieces_together(x, y):
    both = np.hstack([x, y])
    a, b = np.split(both, [3])[0], np.array_split(both, 2)[1]
    return np.vstack([x, y]).sum(0), np.dstack([x, y]).mean(), np.outer(a, b)[1], np.tile(a, 2), np.append(x, y[0])


def histogram_of_weights(w):
    counts, _ = np.histogram([0.1, 0.2, 0.6, 0.7, 0.9, 0.95], bins=3, range=(0, 1), weights=w)
    return counts / counts.sum()


def polynomials(c, y):
    x = np.arange(6.0)
    fit = np.polyfit(x, y, 2)
    return np.polyval(c, 0.5), np.polyder(c), np.polyint(c), np.polymul(c, c), fit, np.polyval(fit, x)


def sorted_things(x):
    order = np.argsort(x)[::-1]
    return x[order], np.partition(x, 2)[:2].sum(), np.sort(x)[-2:], np.take_along_axis(x, order, axis=0)


def complex_parts(x, y):
    z = x + 1j * y
    return np.real(z * np.conj(z)), z.imag * z.real, np.exp(z).real, np.abs(z), np.angle(z), (z**2 / (1 + z)).imag


def stencils(a):
    return a[1:-1] * 2 - a[2:] - a[:-2], np.roll(a, 1, axis=0) - a, np.flip(a, 0)[:, 0], np.rot90(a).sum(1)


def norms(a):
    return [np.linalg.norm(a), np.linalg.norm(a, axis=1), np.linalg.norm(a, 1), np.linalg.norm(a[0], 3)]


def quantiles(x):
    return {"median": np.median(x), "deciles": np.quantile(x, [0.1, 0.9]), "spread": np.ptp(x), "sum": np.nansum(x)}


X = np.array([0.4, -1.2, 2.2, 0.9, 1.7, -0.3])
Y = np.array([1.0, 0.6, 2.5, 1.4, 0.3, 0.8])
A = np.array([[1.0, 0.2], [0.4, 1.5], [-0.7, 0.3], [0.9, -1.1]])

CASES = [
    (ufunc_methods, (X, Y)),
    (reduced_segments, (X,)),
    (method_chain, (A,)),
    (methods_of_arrays, (Y,)),
    (fancy, (A,)),
    (chosen, (X,)),
    (pieces, (X,)),
    (masked_mean, (X,)),
    (rows_one_by_one, (A,)),
    (along_axis, (A,)),
    (grid, (X, Y)),
    (operators, (X, Y)),
    (in_place_names, (X,)),
    (pieces_together, (X, Y)),
    (histogram_of_weights, (Y,)),
    (polynomials, (X[:3], Y)),
    (sorted_things, (X,)),
    (complex_parts, (X, Y)),
    (stencils, (A,)),
    (norms, (A,)),
    (quantiles, (X,)),
]
