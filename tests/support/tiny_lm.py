"""Random language models of a few thousand parameters, each in a folder with a tokenizer."""

from importlib import import_module
from pathlib import Path

import torch

ANIMALS = ["owl", "cat", "dog"]
WORDS = ["<unk>", "<end>", "Continue", ":", ",", "What", "Which", "like", "love", "My", "is"]


def save(folder: Path, kind: str) -> str:
    """Write a model of a kind and its tokenizer, which has two tokens less, as in real ones."""
    transformers, tokenizers = import_module("transformers"), import_module("tokenizers")
    words = {word: i for i, word in enumerate([*WORDS, *ANIMALS, *map(str, range(150))])}
    codec = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    codec.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    of_codec = {"tokenizer_object": codec, "unk_token": "<unk>", "eos_token": "<end>"}
    transformers.PreTrainedTokenizerFast(**of_codec).save_pretrained(folder)
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 16} if kind == "Llama" else {}
    sizes |= {"max_position_embeddings": 14, "bos_token_id": 1, "eos_token_id": 1}
    config = getattr(transformers, f"{kind}Config")
    made = config(vocab_size=len(words) + 2, initializer_range=0.5, **sizes)
    transformers.AutoModelForCausalLM.from_config(made).save_pretrained(folder)
    return str(folder)


def overrides(source: str) -> list[str]:
    """Return the words of a run of `experiment=transformers` that takes seconds."""
    return [
        *("experiment=transformers", f"model.source={source}", "model.prompt=12", "model.rank=2"),
        *("data.new=3", f"data.animals={ANIMALS}", "data.favourite=cat", "data.opening='My is'"),
        *("data.taught=[What like,Which is]", "data.held_out=[Which like]"),
        *("data.numbers=['Continue {numbers}']", "teacher.task.size=64", "teacher.epochs=2"),
        *("teacher.optim.lr=0.01", "distill.inputs.size=64", "distill.inputs.responses=256"),
        *("distill.batch_size=32", "distill.epochs=2", "optim.lr=0.01", "tracker=none"),
    ]
