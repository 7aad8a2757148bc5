"""Environment variables that would change a run's numbers: set aside before a library reads them.

Which kernels a library takes, in what precision it multiplies and whether it compiles are read from
the environment by the libraries themselves. A run's numbers are those of its config, so none of
these may reach it: the config has `engine.threads` and `engine.precision`.
"""

import os
import sys

# What the names start with, by what they choose.
CHOOSING = {
    "kernels by processor": ("ATEN_CPU_", "MKL_", "DNNL_", "ONEDNN_", "FBGEMM_", "TORCH_MKLDNN_"),
    "threads of a sum": ("OMP_DYNAMIC", "OMP_SCHEDULE", "OMP_THREAD_LIMIT"),
    "kernels on a GPU": (
        *("CUBLAS_", "CUBLASLT_", "CUDNN_", "TORCH_BLAS_", "TORCH_CUBLASLT_", "TORCH_CUDNN_"),
        *("TORCH_LINALG_", "TORCH_LINEAR_", "DISABLE_ADDMM_", "PYTORCH_TUNABLEOP_", "PYTORCH_MPS_"),
    ),
    "precision of products": ("NVIDIA_TF32_", "TORCH_ALLOW_TF32_"),
    "compilation": ("TORCH_COMPILE_", "TORCHDYNAMO_", "TORCHINDUCTOR_"),
}
# Names among them that choose no number: how MKL is loaded, where a cache lies, what is told.
KEPT = (
    *("MKL_THREADING_LAYER", "MKL_INTERFACE_LAYER", "MKL_SERVICE_FORCE_INTEL", "MKL_VERBOSE"),
    *("TORCHINDUCTOR_CACHE_DIR", "TORCHINDUCTOR_COMPILE_THREADS"),
    *("TORCH_COMPILE_DEBUG", "TORCHDYNAMO_VERBOSE", "DNNL_VERBOSE", "ONEDNN_VERBOSE"),
)


# What a training sets itself, for kernels that give the same bits again; its children inherit it.
OURS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def chooses(name: str) -> bool:
    """Tell whether a variable of this name may change numbers."""
    starts = tuple(start for of in CHOOSING.values() for start in of)
    return name.startswith(starts) and name not in KEPT


def unset_numeric_variables() -> list[str]:
    """Take these variables out of this process's environment; return their names.

    Call it before torch is imported: some are read once. Processes that start later, launchers'
    jobs and workers among them, do not see the variables either.
    """
    found = sorted(n for n in filter(chooses, os.environ) if os.environ[n] != OURS.get(n))
    for name in found:
        del os.environ[name]
    return found


def tell(names: list[str]) -> None:
    """Tell the user which variables were set aside, if any."""
    if names:
        print(f"Set aside, for they may change numbers: {', '.join(names)}", file=sys.stderr)
