"""The machine a run happens on: what is taken out of the environment, and what is said about the rest."""

import os
import platform
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

# These make a library take another kernel than the one it would choose for this processor.
KERNEL_CHOICES = (
    "OPENBLAS_CORETYPE",
    "NVPL_BLAS_DEBUG_CPU_TYPE",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "BLIS_ARCH_TYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
)
CACHES = ("JAX_COMPILATION_CACHE_DIR",)
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FGRAD_NUM_THREADS")
PACKAGES = ("fgrad", "numpy", "jax", "jaxlib", "autograd", "torch", "optax", "scipy")


def clean() -> None:
    """Let every library choose its own kernels and compile afresh; to be called before NumPy is imported."""
    for name in KERNEL_CHOICES + CACHES:
        os.environ.pop(name, None)
    os.environ["JAX_PLATFORMS"] = "cpu"


def describe() -> dict[str, Any]:
    """Processor, cores, thread settings, BLAS kernel and versions."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,  # of others, at the start
        "threads": {name: os.environ[name] for name in THREAD_COUNTS if name in os.environ},
        "blas": blas(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
    }


def text() -> str:
    """The description in lines for people."""
    lines = []
    for key, value in describe().items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {content}" for name, content in value.items()) or "free"
        lines.append(f"{key:11}{'; '.join(value) if isinstance(value, list) else value}")
    return "\n".join(lines)


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def blas() -> list[str]:
    """The BLAS that NumPy loaded and the kernel it chose, if threadpoolctl is there to ask."""
    import numpy  # noqa: F401  (loads the BLAS that is asked about)

    try:
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped]
    except ImportError:
        return ["unknown (install threadpoolctl to see it)"]
    return [
        f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture', 'unknown')}, "
        f"{pool['num_threads']} threads"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def installed(package: str) -> str | None:
    """The installed version; that of the checkout, if it is not installed; or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return getattr(import_module(package), "__version__", None) if find_spec(package) else None
