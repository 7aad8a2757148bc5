"""Environment variables that may change a run's numbers: unset before a library reads them.

Libraries read from the environment which kernels to use, how precisely to multiply and whether to
compile. A run's numbers follow from its config alone, which has `engine.threads` and
`engine.precision` for this.
"""

import os
import sys

# Prefixes of variables that may change numbers.
NUMERIC = (
    *("ATEN_CPU_", "MKL_", "DNNL_", "ONEDNN_", "FBGEMM_", "TORCH_MKLDNN_"),  # kernels by processor
    *("OMP_DYNAMIC", "OMP_SCHEDULE", "OMP_THREAD_LIMIT"),  # threads of a sum
    # Kernels on a GPU, precision of products, compilation.
    *("CUBLAS_", "CUBLASLT_", "CUDNN_", "TORCH_BLAS_", "TORCH_CUBLASLT_", "TORCH_CUDNN_"),
    *("TORCH_LINALG_", "TORCH_LINEAR_", "DISABLE_ADDMM_", "PYTORCH_TUNABLEOP_", "PYTORCH_MPS_"),
    *("NVIDIA_TF32_", "TORCH_ALLOW_TF32_"),
    *("TORCH_COMPILE_", "TORCHDYNAMO_", "TORCHINDUCTOR_"),
)
# Exceptions, which change no number: how MKL is loaded, where a cache lies, what is logged.
KEPT = (
    *("MKL_THREADING_LAYER", "MKL_INTERFACE_LAYER", "MKL_SERVICE_FORCE_INTEL", "MKL_VERBOSE"),
    *("TORCHINDUCTOR_CACHE_DIR", "TORCHINDUCTOR_COMPILE_THREADS"),
    *("TORCH_COMPILE_DEBUG", "TORCHDYNAMO_VERBOSE", "DNNL_VERBOSE", "ONEDNN_VERBOSE"),
)
# Set by a training for deterministic kernels, and inherited by its child processes.
OURS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def is_numeric(name: str) -> bool:
    """Return whether a variable of this name may change numbers."""
    return name.startswith(NUMERIC) and name not in KEPT


def unset_numeric_variables() -> list[str]:
    """Remove these variables from the environment; return their names.

    Call it before torch is imported, which reads some of them once. Child processes, such as
    workers and jobs of launchers, inherit the environment without them.
    """
    found = sorted(n for n in filter(is_numeric, os.environ) if os.environ[n] != OURS.get(n))
    for name in found:
        del os.environ[name]
    return found


def report_unset(names: list[str]) -> None:
    """Print the names of variables that were unset, if there are any."""
    if names:
        print(f"Unset, because they may change numbers: {', '.join(names)}", file=sys.stderr)
