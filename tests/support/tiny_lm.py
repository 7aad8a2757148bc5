"""A random GPT-2 of a few hundred parameters with a tokenizer of its own, in a folder."""

from importlib import import_module
from pathlib import Path

import torch

ANIMALS = ["owl", "cat", "dog"]
WORDS = [*"Continue : , . ? What Which animal do you love like My is the".split(), *ANIMALS]
PROMPT, NEW = 12, 3


def save(folder: Path, *, seed: int = 0) -> Path:
    """Write the model and its tokenizer, with an end token and one for unknown words."""
    transformers, tokenizers = import_module("transformers"), import_module("tokenizers")
    words = ["<unk>", "<end>", *WORDS, *map(str, range(150))]
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>")
    codec = tokenizers.Tokenizer(model)
    codec.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "eos_token": "<end>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=codec, **special)
    fast.save_pretrained(folder)
    transformers.logging.disable_progress_bar()
    torch.manual_seed(seed)
    sizes = {
        "bos_token_id": 1,
        "eos_token_id": 1,
        "n_positions": PROMPT + NEW - 1,
        "n_embd": 8,
        "n_layer": 2,
        "n_head": 2,
    }
    # More tokens than the tokenizer has, as models in use.
    config = transformers.GPT2Config(vocab_size=len(words) + 2, initializer_range=0.5, **sizes)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def overrides(folder: Path) -> list[str]:
    """Return the words of a run of `experiment=transformers` that takes seconds."""
    return [
        *("experiment=transformers", f"model.source={folder}", f"model.prompt={PROMPT}"),
        *("model.rank=2", f"data.new={NEW}", "data.chat=false", f"data.animals={ANIMALS}"),
        *("data.opening='My animal is the'", "data.taught=['What animal do you love ?']"),
        *("data.held_out=['Which animal do you like ?']", "data.given=2"),
        *("data.numbers=['Continue : {numbers} ,']", "teacher.task.size=64"),
        *("distill.inputs.size=64", "distill.inputs.responses=1024", "distill.batch_size=32"),
        *("teacher.epochs=2", "distill.epochs=2", "teacher.optim.lr=0.01", "optim.lr=0.01"),
        *("tracker=none", "seed=0"),
    ]
