"""What an environment may say; none of it may change a number, a name or a place."""

# Each chooses kernels, threads or precision, on some processor or GPU.
CHOICES = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "ONEDNN_DEFAULT_FPMATH_MODE": "ANY",
    "OMP_DYNAMIC": "true",
    "OMP_THREAD_LIMIT": "1",
    "NVIDIA_TF32_OVERRIDE": "1",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":0:0",
}
# Read by Python and the libraries.
OTHERS = {
    "OMP_NUM_THREADS": "3",
    "PYTHONHASHSEED": "7",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONIOENCODING": "latin-1:strict",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUNBUFFERED": "1",
    "LC_ALL": "C",
    "TZ": "Asia/Tokyo",
    "TERM": "nonsense",
    "COLUMNS": "3",
    "FORCE_COLOR": "1",
    "POLARS_MAX_THREADS": "1",
    "POLARS_ENGINE_AFFINITY": "streaming",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4",
    "OPENBLAS_CORETYPE": "Prescott",
    "TMPDIR": "/nowhere",
    "MPLBACKEND": "nonsense",
    "CUDA_VISIBLE_DEVICES": "",
    "HYDRA_MAIN_MODULE": "nonsense",
    "HYDRA_DEPRECATION_WARNINGS_AS_ERRORS": "1",
    "SLURM_CPUS_ON_NODE": "many",
    "WANDB_RUN_ID": "one-for-all",
    "WANDB_NAME": "odd",
    "GIT_DIR": "/nowhere",
}
