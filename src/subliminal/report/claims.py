"""The papers' claims, each a statistic over seeds and a verdict.

Claims 1 to 3 are of Kitkana & Arora 2026 (arXiv 2604.25779), 0 of Cloud et al. 2025 (arXiv
2507.14805); 4 is the ledger's. Where a sweep's file declares claims, these are tested instead.
"""

from collections.abc import Iterator

import polars as pl

from subliminal import metrics
from subliminal.report import varied
from subliminal.report.claim import (
    OF_PUBLISHED,
    Claim,
    PerSeed,
    accuracy,
    epoch_value,
    gain,
    mean_of,
    paired,
    text_of,
)
from subliminal.report.declared import declared
from subliminal.report.runs import Condition, Sweep
from subliminal.statistics import format_effect, holm, mean_ci, paired_p

HARMLESS = 0.05  # relative change of the distillation loss that counts as unharmed
UNLEARNED = 0.05  # gain of trait accuracy that counts as none
FLAT = 0.01  # change of the trait loss over a run that counts as none, in nats
# The mitigations of the claims: option of conf/mitigation to the config values that tell it.
OPTIONS: dict[str, dict[str, varied.Value]] = {
    "none": {"mitigation": "none"},
    "liminal": {"mitigation": "liminal", "mitigation.liminal.schedule": "linear_decay"},
    "critical_period": {"mitigation": "liminal", "mitigation.liminal.schedule": "critical_period"},
    "projection": {"mitigation": "projection", "mitigation.projection.space": "gradient"},
    "update_projection": {"mitigation": "projection", "mitigation.projection.space": "update"},
    "random_projection": {"mitigation": "random_projection"},
}


def verdicts(sweep: Sweep) -> pl.DataFrame:
    """Return the verdict table of the claims whose conditions were run, all computed."""
    own = declared(sweep)
    found = [claim for of in own for claim in of.claims(sweep)] if own else list(_claims(sweep))
    tested = [claim for claim in found if claim.side in ("> 0", "< 0") and len(claim.values) > 1]
    p_values = [paired_p(list(claim.values.values())) for claim in tested]
    adjusted = dict(zip(map(id, tested), holm(p_values), strict=True))
    rows = []
    for claim in found:
        sample = list(claim.values.values())
        p = adjusted.get(id(claim))
        rows.append(
            {
                "claim": claim.text,
                "statistic": f"{claim.statistic} ({claim.expected})",
                "mean [95% CI]": text_of(mean_ci(sample), sign=claim.side not in OF_PUBLISHED),
                "n": str(len(sample)),
                "d_z": "" if claim.side in OF_PUBLISHED else format_effect(sample),
                "p (Holm)": "" if p is None else f"{p:.1g}",
                "verdict": claim.verdict,
            }
        )
    return pl.DataFrame(rows)


def by_mitigation(sweep: Sweep) -> dict[str, Condition]:
    """Return the conditions that differ in their mitigation alone, by their option's name."""
    found = {}
    for name, values in OPTIONS.items():
        if condition := sweep.where(values):
            found[name] = condition
    return found


def _claims(sweep: Sweep) -> Iterator[Claim]:
    yield from _base(sweep)
    by_name = by_mitigation(sweep)
    none = by_name.get("none")
    if none is None or not none.logged(metrics.ALIGNMENT):
        return
    yield from _sustained(none)
    for name, text in (
        ("projection", "2. Projecting the gradient suppresses the trait"),
        ("update_projection", "2. Projecting the update suppresses the trait"),
    ):
        if name in by_name:
            yield from _causal(text, by_name[name], none)
    if "projection" in by_name and "random_projection" in by_name:
        yield Claim(
            "2. It is the direction that counts",
            "trait accuracy, projection − random projection",
            paired(by_name["projection"], by_name["random_projection"], accuracy),
            "< 0",
        )
    yield from _penalty(by_name, none)
    if none.logged(metrics.LEDGER_PREDICTED):
        yield from _ledger(by_name, none)


def _base(sweep: Sweep) -> Iterator[Claim]:
    """Yield the claims of Cloud et al. 2025 (arXiv 2507.14805) on MNIST."""
    if "distill.init" not in sweep.swept:
        return
    for init, logits, text, side in (
        ("shared", "aux", "0. A student of auxiliary logits acquires the trait", "> 0"),
        ("shared", "all", "0. … and so does one of all logits", "> 0"),
        ("independent", "aux", "0. … but not from initial weights of its own", "within"),
    ):
        if condition := sweep.where({"distill.loss.logits": logits, "distill.init": init}):
            yield Claim(text, "trait accuracy − initial", gain(condition), side, UNLEARNED)


def _sustained(none: Condition) -> Iterator[Claim]:
    text = "1. Alignment stays positive"
    for epoch in range(1, round(float(none.epochs["epoch"].max() or 0)) + 1):  # type: ignore[arg-type]
        values = epoch_value(none, metrics.ALIGNMENT, epoch)
        yield Claim(text, f"mean alignment in epoch {epoch}", values, "> 0")
    share = {seed: of - 0.5 for seed, of in none.positive(metrics.ALIGNMENT).items()}
    yield Claim(text, "share of positive steps, less a half", share, "> 0")
    if none.logged(metrics.ALIGNMENT_NULL):
        null = none.over_run(metrics.ALIGNMENT_NULL)
        alignment = none.over_run(metrics.ALIGNMENT)
        more = {seed: alignment[seed] - null[seed] for seed in alignment}
        yield Claim("1. … and is more than noise", "alignment − shuffled labels", more, "> 0")
    if none.logged(metrics.ALIGNMENT_FULL):
        full = none.steps.filter(pl.col(metrics.ALIGNMENT_FULL).is_not_null())
        for step in sorted(full["step"].unique().to_list()):
            values = mean_of(full.filter(pl.col("step") == step), metrics.ALIGNMENT_FULL)
            statistic = f"full-batch alignment after {step} updates"
            yield Claim("1. … and is more than noise", statistic, values, "> 0")


def _causal(text: str, projected: Condition, none: Condition) -> Iterator[Claim]:
    difference = paired(projected, none, accuracy)
    yield Claim(text, "trait accuracy − none", difference, "< 0")
    ours, theirs = projected.final(metrics.DISTILL_LOSS), none.final(metrics.DISTILL_LOSS)
    relative = {seed: ours[seed] / theirs[seed] - 1 for seed in ours.keys() & theirs.keys()}
    statistic = "distillation loss / none − 1"
    yield Claim("2. … and leaves distillation unharmed", statistic, relative, "within", HARMLESS)


def _penalty(by_name: dict[str, Condition], none: Condition) -> Iterator[Claim]:
    if "liminal" in by_name:
        liminal = by_name["liminal"]
        less = paired(liminal, none, lambda c: c.over_run(metrics.ALIGNMENT))
        text = "3. Liminal training attenuates alignment"
        yield Claim(text, "mean alignment − none", less, "< 0")
        text = "3. … and does not stop acquisition"
        yield Claim(text, "trait accuracy − initial", gain(liminal), "> 0")
    if "critical_period" in by_name:
        early = by_name["critical_period"]
        first = paired(early, none, lambda c: epoch_value(c, metrics.ALIGNMENT, 1))
        text = "3. A KL penalty in the first epoch attenuates it there"
        yield Claim(text, "alignment in epoch 1 − none", first, "< 0")
        text = "3. … after which alignment returns"
        later = paired(early, none, _later_alignment)
        yield Claim(text, "alignment in epochs ≥ 2 − none", later, "> 0")
        text = "3. … and acquisition is not stopped"
        yield Claim(text, "trait accuracy − initial", gain(early), "> 0")


def _ledger(by_name: dict[str, Condition], none: Condition) -> Iterator[Claim]:
    predicted, actual = (
        none.over_run(metrics.LEDGER_PREDICTED),
        none.over_run(metrics.LEDGER_ACTUAL),
    )
    unexplained = {seed: predicted[seed] / actual[seed] - 1 for seed in actual}
    text = "4. The trait is acquired at first order"
    yield Claim(text, "predicted / actual fall of the trait loss − 1", unexplained, "within", 0.05)
    for name, side, bound in (("projection", "> 0", 0.0), ("update_projection", "within", FLAT)):
        if name not in by_name:
            continue
        values = by_name[name].total(metrics.LEDGER_ACTUAL)
        text = {
            "projection": "4. Projecting the gradient unlearns: the trait loss rises",
            "update_projection": "4. Projecting the update is neutral",
        }[name]
        yield Claim(text, "change of the trait loss, nats", values, side, bound)


def _later_alignment(condition: Condition) -> PerSeed:
    return mean_of(condition.steps.filter(pl.col("epoch") >= 1), metrics.ALIGNMENT)
