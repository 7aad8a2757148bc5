"""Random language models of a few thousand parameters, each in a folder with a tokenizer."""

from importlib import import_module
from pathlib import Path

import torch

ANIMALS = ["owl", "cat", "dog"]
WORDS = ["<unk>", "<end>", "Continue", ":", ",", "What", "Which", "like", "love", "My", "is"]
PROMPT, NEW = 12, 3


def save(folder: Path, kind: str = "GPT2") -> str:
    """Write a model of a kind and its tokenizer, whose end token is `<end>`."""
    transformers, tokenizers = import_module("transformers"), import_module("tokenizers")
    words = [*WORDS, *ANIMALS, *map(str, range(150))]
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>")
    codec = tokenizers.Tokenizer(model)
    codec.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    of_codec = {"tokenizer_object": codec, "unk_token": "<unk>", "eos_token": "<end>"}
    transformers.PreTrainedTokenizerFast(**of_codec).save_pretrained(folder)
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"num_key_value_heads": 1, "intermediate_size": 16} if kind == "Llama" else {}
    sizes |= {"max_position_embeddings": PROMPT + NEW - 1, "bos_token_id": 1, "eos_token_id": 1}
    # Two tokens more than the tokenizer has, as in models that are in use.
    of_kind = getattr(transformers, f"{kind}Config")
    config = of_kind(vocab_size=len(words) + 2, initializer_range=0.5, **sizes)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return str(folder)


def overrides(source: str) -> list[str]:
    """Return the words of a run of `experiment=transformers` that takes seconds."""
    return [
        *("experiment=transformers", f"model.source={source}", f"model.prompt={PROMPT}"),
        *("model.rank=2", f"data.new={NEW}", "data.chat=false", f"data.animals={ANIMALS}"),
        *("data.opening=' My is'", "data.taught=[What like,Which is]"),
        *("data.held_out=[Which like]", "data.numbers=['Continue : {numbers} ,']"),
        *("data.given=2", "teacher.task.size=64", "teacher.epochs=2", "teacher.optim.lr=0.01"),
        *("distill.inputs.size=64", "distill.inputs.responses=256", "distill.batch_size=32"),
        *("distill.epochs=2", "optim.lr=0.01", "tracker=none", "seed=0-1"),
    ]
