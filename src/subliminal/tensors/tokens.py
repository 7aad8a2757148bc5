"""Tokens of a pre-trained tokenizer, numbered so that some of them, the classes, come first."""

from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import torch

from subliminal.config.resources import install_command
from subliminal.errors import UserError

PAD = -100  # a place without a token; as a label, torch's cross-entropy counts it as a loss of 0
MOST = 2**20  # tokens of any vocabulary


@lru_cache(maxsize=4)
def loaded(kind: str, source: str) -> Any:
    """Load an `AutoTokenizer` or `AutoModelForCausalLM` from a folder, or by its name on the hub.

    Raises:
        UserError: the transformers package is missing, or it cannot load the files.
    """
    try:
        library = import_module("transformers")  # it takes seconds: only where it is used
    except ImportError as error:
        raise UserError(f"model: transformers is missing: {install_command('hf')}") from error
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    # Attention that is written out: the gradients of other kernels are not deterministic on a GPU.
    how = {"dtype": torch.float32, "attn_implementation": "eager"} if "Model" in kind else {}
    try:
        return getattr(library, kind).from_pretrained(source, **how)
    except Exception as error:  # it raises its libraries' own, of any kind
        why = str(error).strip().partition("\n")[0]
        raise UserError(f"model.source={source}: {kind} cannot load it: {why}") from error


@lru_cache(maxsize=4)
def order(source: str, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of MOST tokens in the order of our numbers, classes first, and the reverse.

    Raises:
        UserError: a class is not exactly one token of the tokenizer `source`, or two are the same.
    """
    codec = loaded("AutoTokenizer", source)
    first: list[int] = []
    for text in classes:
        found = codec.encode(text, add_special_tokens=False)
        if len(found) != 1 or found[0] in (codec.unk_token_id, *first):
            raise UserError(
                f"data.animals: {text!r} has tokens {found} in {source}; exactly one of its own is "
                "needed: choose another word, or write it with a space before it, or without"
            )
        first += found
    ids = np.concatenate([first, np.setdiff1d(np.arange(MOST), first)])
    return ids, np.argsort(ids)
