"""What an experiment on real text, of a pre-trained model, cannot have."""

from collections.abc import Mapping

from subliminal import distill
from subliminal.config.schema import Config
from subliminal.data import Dataset
from subliminal.data.text import Text
from subliminal.errors import UserError
from subliminal.models import Model
from subliminal.models.transformers import CausalLM
from subliminal.tensors.tokens import tokenizer


def check(cfg: Config, data: Dataset, models: Mapping[str, Model], inputs: distill.Inputs) -> None:
    """Check that text and pre-trained models go together, and that nothing needs another base.

    Args:
        cfg: the job's settings.
        data: what it is about.
        models: each one's config key, and the model.
        inputs: of the student's training.

    Raises:
        UserError: a part does not fit; one line says which.
    """
    for key, model in models.items():
        if isinstance(model, CausalLM) is not isinstance(data, Text):
            raise UserError(
                f"{key}: data=text and model=transformers need each other; "
                "experiment=transformers chooses parts that fit"
            )
        if isinstance(model, CausalLM) and isinstance(data, Text):
            read = (model.prompt, model.classes, tokenizer(model.source).get_vocab())
            if read != (data.prompt, data.animals, tokenizer(data.tokenizer).get_vocab()):
                raise UserError(
                    f"{key}: prompt, classes and the tokenizer must be those of data.prompt, "
                    "data.animals and data.tokenizer"
                )
    if not isinstance(data, Text):
        return
    data.fetch()
    refused = {
        "base": (cfg.base is not None, "none, for the model is pre-trained"),
        "distill.targets": (cfg.distill.targets is not None, "clean"),
        "teacher.task.replay": (bool((cfg.teacher.task or {}).get("replay")), "false"),
        "distill.inputs.random": (getattr(inputs, "random", 1) != 1, "1, for all are random"),
    }
    for key, (found, allowed) in refused.items():
        if found:
            raise UserError(f"{key}: data=text takes {allowed}")
