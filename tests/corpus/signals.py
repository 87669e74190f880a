"""Signal and image processing."""

from __future__ import annotations

import numpy as np


def periodogram(x):
    spectrum = np.fft.rfft(x - x.mean())
    return np.abs(spectrum) ** 2 / len(x)


def low_pass(x, width):
    f = np.fft.fftfreq(x.shape[-1])
    return np.fft.ifft(np.fft.fft(x) * np.exp(-((f / width) ** 2))).real


def analytic_envelope(x):
    """Hilbert's transform in the frequency domain."""
    n = x.shape[0]
    gain = np.zeros(n)
    gain[0] = 1
    gain[1 : (n + 1) // 2] = 2
    gain[n // 2] = 1 + n % 2
    return np.abs(np.fft.ifft(np.fft.fft(x) * gain))


def windowed_spectrum(x):
    return np.abs(np.fft.fft(x * np.hanning(x.size)))[: x.size // 2 + 1]


def convolution_theorem(x, h):
    n = x.size + h.size - 1
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(h, n), n)


def moving_average(x):
    padded = np.pad(x, 1, mode="edge")
    return np.convolve(padded, np.ones(3) / 3, mode="valid")


def running_mean(x):
    """By differences of the cumulative sum."""
    total = np.cumsum(np.concatenate([[0.0], x]))
    return (total[3:] - total[:-3]) / 3


def recursive_filter(x, a, b):
    y, out = 0.0, []
    for sample in x:
        y = b * sample - a * y
        out.append(y)
    return np.stack(out)


def frames(x):
    index = np.arange(3)[None, :] + 2 * np.arange(3)[:, None]
    return x[index] * np.hamming(3)


def short_time_energy(x):
    return (frames(x) ** 2).sum(axis=1)


def total_variation(image):
    across = np.diff(image, axis=1)[:-1]
    down = np.diff(image, axis=0)[:, :-1]
    return np.sqrt(across**2 + down**2 + 1e-6).sum()


def sobel(image):
    p = np.pad(image, 1)
    gx = p[:-2, 2:] + 2 * p[1:-1, 2:] + p[2:, 2:] - p[:-2, :-2] - 2 * p[1:-1, :-2] - p[2:, :-2]
    gy = p[2:, :-2] + 2 * p[2:, 1:-1] + p[2:, 2:] - p[:-2, :-2] - 2 * p[:-2, 1:-1] - p[:-2, 2:]
    return np.hypot(gx, gy)


def bilinear(image, at):
    rows, columns = at
    r = np.floor(rows).astype(int)
    c = np.floor(columns).astype(int)
    u, v = rows - r, columns - c
    top = image[r, c] * (1 - v) + image[r, c + 1] * v
    bottom = image[r + 1, c] * (1 - v) + image[r + 1, c + 1] * v
    return top * (1 - u) + bottom * u


def haar(x):
    """One level of the wavelet transform, and back with the details shrunk."""
    even, odd = x[::2], x[1::2]
    approximation, detail = (even + odd) / np.sqrt(2), (even - odd) / np.sqrt(2)
    detail = np.sign(detail) * np.maximum(np.abs(detail) - 0.1, 0)
    return np.column_stack([approximation + detail, approximation - detail]).ravel() / np.sqrt(2)


def goertzel(x, frequency):
    s1 = s2 = 0.0
    for value in x:
        s1, s2 = value + 2 * np.cos(frequency) * s1 - s2, s1
    return s1**2 + s2**2 - 2 * np.cos(frequency) * s1 * s2


def unwrapped_phase(x):
    return np.unwrap(np.angle(np.fft.fft(x)))


def power_spectrum_2d(image):
    return np.fft.fftshift(np.abs(np.fft.fft2(image)) ** 2)


def matched_filter(x, template):
    scores = np.correlate(x, template, "same")
    return scores / np.linalg.norm(template)


X = np.array([0.4, -1.2, 2.2, 0.9, 1.7, -0.3, 0.8, 0.1])
H = np.array([0.5, 0.3, -0.2])
IMAGE = np.array([[0.1, 0.9, 0.4, 0.3], [0.6, 0.2, 0.8, 0.5], [0.7, 1.1, 0.05, 0.35], [0.45, 0.15, 0.95, 0.65]])

CASES = [
    (periodogram, (X,)),
    (low_pass, (X, np.float64(0.2))),
    (analytic_envelope, (X,)),
    (windowed_spectrum, (X,)),
    (convolution_theorem, (X, H)),
    (moving_average, (X,)),
    (running_mean, (X,)),
    (recursive_filter, (X, np.float64(0.5), np.float64(1.2))),
    (short_time_energy, (X,)),
    (total_variation, (IMAGE,)),
    (sobel, (IMAGE,)),
    (bilinear, (IMAGE, np.array([[0.3, 1.6], [1.2, 2.4]]))),
    (haar, (X,)),
    (goertzel, (X, np.float64(0.7))),
    (unwrapped_phase, (X + np.arange(8.0),)),
    (power_spectrum_2d, (IMAGE,)),
    (matched_filter, (X, H)),
]
