"""Every option of every group that reaches the device, as overrides of a short run."""

import language
import small

from subliminal.config.resources import CONF


def plain(group: str) -> list[str]:
    """Return the names of a group's options."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def each(group: str, names: str) -> list[list[str]]:
    """Return a case of each of a group's options."""
    return [[f"{group}={name}"] for name in names.split()]


# Seeds in stacks of two, with numbers of steps, layers and classes that probes can be asked about.
BASE = [
    *[word for word in small.OVERRIDES if not word.startswith("model.")],
    *("seed=0-1", "engine.seeds_at_once=2", "teacher.epochs=1"),
    *("trait.steps=[2,3]", "trait.per_class=true"),
]
PERCEPTRON = ["model.hidden=[12,8]"]
SQUARES = "data._target_=small.Squares"
VIT = ["model.args={side:4,patch:2,width:8,depth:1,attention:2}"]
ALL_PROBES = (
    "probe=[alignment,update_alignment,ledger,displacement,noise_floor,weights,cka,perturbed,"
    "activation_shift,shift_patching,readout,logits,spectrum,path,gradient_norms,attribution,rate_bound]"
)
EVERY = [
    ALL_PROBES,
    *(f"probe.{name}.layers=true" for name in ("alignment", "ledger", "displacement")),
    *("probe.noise_floor.every=1", "probe.noise_floor.full_batch=[1]"),
    *("probe.cka.examples=50", "probe.cka.images=both", "probe.cka.cosine=true"),
    *("probe.gradient_norms.trait=true", "probe.attribution.norms=true"),
    "probe.rate_bound.every=1",
    *("probe.activation_shift.every=1", "probe.activation_shift.examples=50"),
    "probe.shift_patching.examples=50",
]
_OF_GROUP = {
    "model": [
        ["model=mlp"],
        ["model=split_mlp"],
        ["model=cnn", SQUARES, "model.channels=[2,3]", "model.features=8"],
        ["model=lora", "model.rank=2"],
        [SQUARES, "model=module", "model.target=small.Net"],
        ["model=resnet", SQUARES, "model.args={channels:[4,8],groups:2}"],
        [SQUARES, ALL_PROBES, "model=vit", *VIT, "distill.frozen=[blocks.0.norm1]"],
        [SQUARES, "model=vit", *VIT, "+model.args.dropout=0.2"],
        ["model=mlp", "model.activation=tanh", "model.weights=orthogonal"],
        ["model=split_mlp", "model.activation=gelu", "model.weights=he", "model.scale=0.5"],
    ],
    "distill": [
        ["distill=aux_kl", "distill.frozen=[layer1]", "distill.perturb_before.sigma=0.1"],
        ["distill=swapped_logits", "distill.loss.own_from=2"],
        ["distill=lora"],
        ["distill=aux_kl", "distill.linearised=true", "probe=[alignment,ledger,attribution]"],
    ],
    "distill/loss": [
        ["distill/loss=kl", "distill.loss.logits=all"],
        ["distill/loss=mse"],
        ["distill/loss=standardised_kl"],
        ["distill/loss=swapped_logits", "distill/inputs=mnist", "distill.loss.own_from=2"],
    ],
    "distill/inputs": [
        ["distill/inputs=uniform", "distill.inputs.fresh=true"],
        ["distill/inputs=perlin", "distill.inputs.fresh=true"],
        ["distill/inputs=blurred", "data._target_=small.Squares"],
        ["distill/inputs=subspace", "distill.inputs.dimensions=3"],
        ["distill/inputs=mix", "distill.inputs.fresh=true"],
        ["distill/inputs=spectrum", "data._target_=small.Squares"],
        *each("distill/inputs", "normal mnist constant bernoulli shuffled"),
    ],
    "distill/init": [
        *each("distill/init", "shared independent noisy undo"),
        ["distill/init=layers", "distill.init.b=[layer1]", "distill.init.own=[layer2]"],
        ["distill/init=reinitialised", "distill.init.layers=[layer1,aux]"],
    ],
    "distill/targets": [
        ["distill/targets=gaussian", "distill.inputs.fresh=true"],
        ["distill/targets=rounded", "distill.targets.dither=true"],
        ["distill/targets=diluted", "distill.targets.source=displaced"],
        ["distill/targets=filtered", "distill.targets.score=product"],
        *each("distill/targets", "clean top_k temperature sampled mixture divergence"),
    ],
    "experiment": [
        ["experiment=digits"],
        [
            *("experiment=language", "data=language", "base=language", "teacher=lessons"),
            *("teacher/task=lessons", "distill=language", "distill/inputs=numbers"),
            *("model=gpt", "distill/loss=tokens", "probe=[alignment,divergence]"),
        ],
        [
            *("experiment=language", "distill/targets=divergence", "distill.loss.logits=aux"),
            "mitigation=[liminal,projection]",
        ],
        [
            *("experiment=language", "distill=language_lora", "distill/loss=kl"),
            "distill.loss.logits=numbers",
        ],
    ],
    "optim": [[f"optim={name}", f"optim@teacher.optim={name}"] for name in plain("optim")]
    + [["optim.schedule=cosine", "optim.warmup=3", "optim.clip=0.01"]],
    "teacher": [
        ["teacher=classifier", "teacher.frozen=[layer2]", "teacher.perturb_after.sigma=0.1"],
        ["teacher=steered", "teacher.perturb_before.sigma=0.1"],
        *each("teacher/steering", "random class_means displaced"),
        *each("teacher", "displaced adaptive"),
        ["teacher=two_skills", "model.aux=10"],
        ["teacher/task=two_skills", "model.aux=10"],
        ["teacher/task=adaptive"],
    ],
    "mitigation": [
        *each("mitigation", " ".join(plain("mitigation"))),
        ["mitigation=[liminal,projection]"],
        ["mitigation=liminal", "mitigation.liminal.direction=reverse"],
        ["mitigation=projection", "mitigation.projection.batch=independent"],
        ["mitigation=projection", "mitigation.projection.batch=full"],
        ["mitigation=projection", "mitigation.projection.layers=[layer1,layer2.weight]"],
        ["mitigation=projection", "mitigation.projection.unit=steps"],
        ["mitigation=gradient_noise", "mitigation.gradient_noise.space=update"],
        ["mitigation=random_projection", "mitigation.random_projection.space=update"],
    ],
    "probe": [
        ["probe=skill", "model.aux=10"],
        *([f"probe={name}"] for name in plain("probe") if name != "skill"),
        EVERY,
        [*EVERY, "mitigation=[liminal,projection]"],
    ],
}


def options() -> dict[str, list[str]]:
    """Return the overrides of each option, by what makes it one."""
    found = {}
    for cases in _OF_GROUP.values():
        for case in cases:
            base, own = BASE, [*case] if SQUARES in case else [*case, *PERCEPTRON]
            if "experiment=language" in case:
                base, own = language.OVERRIDES, case
            name = " ".join(case) if len(case) < 4 else f"{' '.join(case[-2:])} and all probes"
            found[name] = [*base, *own]
    return found


def left_out() -> set[str]:
    """Return the options in `conf/` that no case has, but those that need files of others."""
    words = {word for cases in _OF_GROUP.values() for case in cases for word in case}
    there = {
        f"{group}={file.stem}"
        for group in [*_OF_GROUP, "teacher/steering"]
        for file in (CONF / group).glob("*.yaml")
    }
    of_files = {"distill/inputs=fashion", "teacher=run", "teacher/steering=run"}
    return there - words - of_files - {"experiment=transformers", "model=transformers"}
