"""Ordinary differential equations and sums over samples, with SciPy's and JAX's names."""

from fgrad.scipy.integrate.ode import odeint as odeint
from fgrad.scipy.integrate.samples import cumulative_trapezoid as cumulative_trapezoid
from fgrad.scipy.integrate.samples import simpson as simpson
from fgrad.scipy.integrate.samples import trapezoid as trapezoid

__all__ = ["cumulative_trapezoid", "odeint", "simpson", "trapezoid"]
