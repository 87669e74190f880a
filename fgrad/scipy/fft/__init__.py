"""Cosine transforms: SciPy's module `scipy.fft`, as far as it is not `fgrad.numpy.fft`."""

from fgrad.scipy.fft.cosine import dct, dctn, dst, dstn, idct, idctn, idst, idstn

__all__ = ["dct", "dctn", "dst", "dstn", "idct", "idctn", "idst", "idstn"]
