"""Physics, chemistry, geometry, finance."""

from __future__ import annotations

import numpy as np


def lennard_jones(positions):
    n = len(positions)
    i, j = np.triu_indices(n, 1)
    r2 = ((positions[i] - positions[j]) ** 2).sum(-1)
    inverse = 1 / r2**3
    return 4 * np.sum(inverse**2 - inverse)


def gravity(positions, masses):
    r = positions[None] - positions[:, None]
    d = np.linalg.norm(r, axis=-1) + np.eye(len(masses))
    return np.sum(masses[None, :, None] * r / d[..., None] ** 3, axis=1)


def leapfrog(q, p):
    """A pendulum."""
    h = 0.1
    for _ in range(12):
        p = p - h / 2 * np.sin(q)
        q = q + h * p
        p = p - h / 2 * np.sin(q)
    return q, p, p**2 / 2 - np.cos(q)


def heat_equation(u, diffusivity):
    for _ in range(6):
        u = u + diffusivity * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
    return u


def wave_equation_2d(u):
    before, now = u, u
    for _ in range(4):
        lap = sum(np.roll(now, s, axis=a) for s in (1, -1) for a in (0, 1)) - 4 * now
        before, now = now, 2 * now - before + 0.1 * lap
    return now


def ising_energy(spins, coupling):
    s = np.tanh(spins)
    return -coupling * (s * np.roll(s, 1, 0) + s * np.roll(s, 1, 1)).sum()


def planck(wavelength, temperature):
    return 1 / (wavelength**5 * np.expm1(1.5 / (wavelength * temperature)))


def partition_function(levels, beta):
    boltzmann = np.exp(-beta * (levels - levels.min()))
    z = boltzmann.sum()
    return np.log(z) - beta * levels.min(), (levels * boltzmann).sum() / z


def lorentz_boost(event, rapidity):
    c, s = np.cosh(rapidity), np.sinh(rapidity)
    t, x, *rest = event
    return np.stack([c * t - s * x, c * x - s * t, *rest])


def rotation(axis, angle, v):
    """Rodrigues' formula."""
    k = axis / np.sqrt(np.sum(axis**2))
    return v * np.cos(angle) + np.cross(k, v) * np.sin(angle) + k * np.dot(k, v) * (1 - np.cos(angle))


def quaternion_product(a, b):
    w, x, y, z = a
    p, q, r, s = b
    return np.stack(
        [
            w * p - x * q - y * r - z * s,
            w * q + x * p + y * s - z * r,
            w * r - x * s + y * p + z * q,
            w * s + x * r - y * q + z * p,
        ]
    )


def haversine(here, there):
    (a, b), (c, d) = here, there
    h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(h))


def polygon_area(vertices):
    x, y = vertices.T
    return 0.5 * np.abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def curvature(path):
    dx, dy = np.gradient(path[:, 0]), np.gradient(path[:, 1])
    ddx, ddy = np.gradient(dx), np.gradient(dy)
    return (dx * ddy - dy * ddx) / (dx**2 + dy**2) ** 1.5


def kepler(anomaly, eccentricity):
    e = anomaly
    for _ in range(15):
        e = e - (e - eccentricity * np.sin(e) - anomaly) / (1 - eccentricity * np.cos(e))
    return 2 * np.arctan(np.sqrt((1 + eccentricity) / (1 - eccentricity)) * np.tan(e / 2))


def binomial_option(spot, volatility, rate):
    steps, strike, time = 8, 1.0, 1.0
    dt = time / steps
    up = np.exp(volatility * np.sqrt(dt))
    p = (np.exp(rate * dt) - 1 / up) / (up - 1 / up)
    price = spot * up ** np.arange(-steps, steps + 1, 2)
    value = np.maximum(price - strike, 0)
    for _ in range(steps):
        value = np.exp(-rate * dt) * (p * value[1:] + (1 - p) * value[:-1])
    return value[0]


def internal_rate(flows):
    r = 0.1
    periods = np.arange(flows.size)
    for _ in range(20):
        discount = (1 + r) ** -periods
        r = r + (flows @ discount) / (flows @ (periods * discount)) * (1 + r)
    return r


def michaelis_menten(concentration, parameters):
    vmax, km = parameters
    observed = np.array([0.3, 0.55, 0.8])
    return np.sum((vmax * concentration / (km + concentration) - observed) ** 2)


def gaussian_beam(z, waist):
    zr = np.pi * waist**2
    q = z + 1j * zr
    return np.abs(1 / q) ** 2, np.angle(q), (1 / q).real


def transfer_matrices(indices, k):
    """Reflection of a stack of layers."""
    m = np.eye(2, dtype=complex)
    for n in indices:
        phase = n * k * 0.3
        c, s = np.cos(phase), np.sin(phase)
        m = m @ np.block([[c, 1j * s / n], [1j * s * n, c]])
    numerator = m[0, 0] + m[0, 1] - m[1, 0] - m[1, 1]
    return abs(numerator / m.sum()) ** 2


P = np.array([[0.0, 0.1, 0.2], [1.2, 0.0, 0.1], [0.3, 1.1, -0.2], [0.9, 0.8, 1.0]])
V = np.array([0.4, -1.2, 0.9])
U = np.array([0.1, 0.9, 0.4, 0.3, 0.7])

CASES = [
    (lennard_jones, (P,)),
    (gravity, (P, np.array([1.0, 2.0, 0.5, 1.5]))),
    (leapfrog, (np.float64(0.7), np.float64(0.2))),
    (heat_equation, (U, np.float64(0.2))),
    (wave_equation_2d, (P,)),
    (ising_energy, (P, np.float64(0.8))),
    (planck, (np.array([0.5, 1.0]), np.float64(1.2))),
    (partition_function, (U[:3], np.float64(1.1))),
    (lorentz_boost, (np.array([1.0, 0.3, 0.2, 0.1]), np.float64(0.6))),
    (rotation, (V, np.float64(0.8), U[:3])),
    (quaternion_product, (np.array([1.0, 0.2, 0.3, 0.4]), np.array([0.5, -0.1, 0.7, 0.2]))),
    (haversine, (np.array([0.3, 0.2]), np.array([0.7, 1.1]))),
    (polygon_area, (np.array([[0.0, 0.0], [2.0, 0.1], [1.8, 1.2], [0.3, 1.0]]),)),
    (curvature, (np.array([[0.0, 0.0], [1.0, 0.4], [1.8, 1.2], [2.1, 2.0], [2.2, 3.1]]),)),
    (kepler, (np.array([0.4, 1.3]), np.float64(0.3))),
    (binomial_option, (np.float64(1.05), np.float64(0.3), np.float64(0.02))),
    (internal_rate, (np.array([-1.0, 0.3, 0.5, 0.6]),)),
    (michaelis_menten, (np.array([0.5, 1.0, 2.0]), np.array([1.1, 0.8]))),
    (gaussian_beam, (np.array([0.2, 1.0]), np.float64(0.4))),
    (transfer_matrices, (np.array([1.0, 1.5, 2.0]), np.float64(1.3))),
]
