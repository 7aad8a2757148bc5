"""Every mitigation and probe on documents: each works, or is refused in one line that says why."""

from collections.abc import Callable
from pathlib import Path

import language
import polars as pl
import pytest
from omegaconf import DictConfig
from option_overrides import plain
from resolved import experiment_of, train_config

from subliminal.errors import UserError

Compose = Callable[[list[str]], DictConfig]

# Mitigations that need other words than their default's, and a metric of each that logs one.
MITIGATIONS = {
    "anchor": "anchor/distance",
    "concept_ablation": "conceptablation/loss",
    "feature_penalty": "feature_penalty/distance",
    "gradient_noise": None,
    "kernel_pull": "kernel_pull/cka",
    "l1": "l1/norm",
    "liminal": "liminal/kl",
    "projection": "alignment/cosine_applied",
    "random_projection": None,
    "final_noise": None,
    "pruning": None,
    "rounding": None,
}
VARIANTS = {"critical_period", "warmup_decay", "update_projection", "none"}  # of the above
PROBES = {
    "activation_shift": "trait/shift",
    "activity": "activity/moved",
    "alignment": "alignment/cosine",
    "attribution": None,
    "cka": "cka_inputs/teacher_final-student_final/block1",
    "displacement": "displacement/cosine",
    "divergence": "teacher/divergence",
    "gradient_norms": "gradient/norm/block1.qkv.weight",
    "ledger": "ledger/predicted",
    "logits": "logits/aux_entropy",
    "path": "path/to_teacher/0.5",
    "rate_bound": None,
    "perturbed": "perturbed/accuracy/0.1",
    "screening": "screening/cosine",
    "shift_patching": "patch/added/block1",
    "spectrum": "spectrum/overlap_left/block1.qkv.weight",
    "update_alignment": "update/alignment",
    "weights": "weights/cosine/teacher_final-student_final/norm.weight",
}
REFUSED = {
    "mitigation=concept_ablation": "layer=layer2: one of block1, block2, norm",
    "mitigation=concept_ablation mitigation.concept_ablation.layer=block1": "one of block2, norm",
    "mitigation=decoupling": "distill.frozen holds the heads",
    "mitigation=dp_sgd": "needs linear layers alone",
    "mitigation=gradient_routing": "no unit of a layer has embedding.weight",
    "mitigation=preventative_steering mitigation.preventative_steering.layer=norm": "no bias",
    "mitigation=subspace": "it has no weight and bias",
    "model.prompt=5": "the language needs model.prompt=7, model.aux=84",
    "model.aux=50": "the language needs model.prompt=7, model.aux=84",
    "probe=noise_floor": "all questions of experiment=language have one answer",
    "probe=readout": "all questions of experiment=language have one answer",
    "probe=skill": "all questions of experiment=language have one answer",
    "distill/targets=top_k": "distill/loss=tokens takes the tokens",
    "trait.on=validation": "a language has only those of trait.on=test",
    "trait.per_class=true": "all questions have one answer",
}


def test_whatever_means_something_on_documents_runs_and_a_seed_is_what_it_is_alone(
    compose: Compose, tmp_path: Path
) -> None:
    words = [
        *(*language.OVERRIDES, f"outputs={tmp_path}", f"mitigation=[{','.join(MITIGATIONS)}]"),
        *("mitigation.concept_ablation.layer=block2", "mitigation.liminal.on=questions"),
    ]
    probes = [
        f"probe=[{','.join(PROBES)}]",
        "probe.cka.images=both",
        "probe.perturbed.sigmas=[0.1]",
    ]
    runs = train_config(compose([*words, *probes, "trait.steps=[1]"]), "seen")
    (alone,) = train_config(compose([*words, "seed=1"]), "alone")  # with the alignment probe alone
    weights = [(run / "student.safetensors").read_bytes() for run in (alone, *runs)]
    assert weights[0] == weights[2] != weights[1]
    for run in runs:
        tables = [pl.read_parquet(run / f"{name}.parquet") for name in ("epochs", "steps")]
        for metric in filter(None, [*MITIGATIONS.values(), *PROBES.values()]):
            (values,) = [t[metric].drop_nulls() for t in tables if metric in t.columns][:1]
            assert len(values), metric
            assert values.is_finite().all(), metric


@pytest.mark.parametrize("words", REFUSED)
def test_the_rest_is_refused_in_one_line(words: str, compose: Compose) -> None:
    with pytest.raises(UserError, match=REFUSED[words]) as error:
        experiment_of(compose([*language.OVERRIDES, *words.split()]))
    assert "\n" not in str(error.value)


def test_no_mitigation_and_no_probe_is_left_out() -> None:
    refused = {word for words in REFUSED for word in words.split()}
    for group, known in (("mitigation", {*MITIGATIONS, *VARIANTS}), ("probe", {*PROBES, "off"})):
        assert {n for n in plain(group) if f"{group}={n}" not in refused} <= known
