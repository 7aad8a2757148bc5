"""What the runs show beside the papers' claims, in sentences whose numbers are computed."""

from collections.abc import Iterator

from subliminal import metrics
from subliminal.report.claim import accuracy, gain, paired, text_of
from subliminal.report.claims import by_mitigation
from subliminal.report.runs import Condition, Sweep
from subliminal.statistics import Estimate, mean_ci

MUCH = 0.5  # nats: a change of the trait loss that is more than drift


def findings(sweep: Sweep) -> list[str]:
    """Return the sentences, in Markdown; none where the conditions that they need were not run."""
    by_name = by_mitigation(sweep)
    none = by_name.get("none")
    return [] if none is None else list(_sentences(by_name, none))


def _sentences(by_name: dict[str, Condition], none: Condition) -> Iterator[str]:
    if (projection := by_name.get("projection")) and projection.logged(metrics.LEDGER_ACTUAL):
        change = _mean(projection.total(metrics.LEDGER_ACTUAL))
        head = _verdict(change, "unlearns", "still teaches", "holds the trait where it was", MUCH)
        sentence = (
            f"**Projecting the gradient {head}.** The trait loss changes by {text_of(change)} nats "
            f"over the run ({text_of(_mean(none.total(metrics.LEDGER_ACTUAL)))} without projection)"
        )
        if projection.logged(metrics.UPDATE_ALIGNMENT):
            updates = _mean(projection.over_run(metrics.UPDATE_ALIGNMENT))
            way = _verdict(updates, "along", "against", "neither along nor against")
            sentence += f": the applied updates point {way} the trait, cosine {text_of(updates)}"
        yield sentence + "."
    update = by_name.get("update_projection")
    if update and update.logged(metrics.LEDGER_ACTUAL):
        change = _mean(update.total(metrics.LEDGER_ACTUAL))
        head = _verdict(change, "unlearns", "still teaches", "is neutral", MUCH)
        yield (
            f"**Projecting the update {head}.** The trait loss changes by {text_of(change)} nats, "
            f"and trait accuracy ends {text_of(_mean(gain(update)))} from where it began."
        )
    if control := by_name.get("random_projection"):
        difference = _mean(paired(control, none, accuracy))
        head = _verdict(difference, "raises", "lowers", "does not change")
        yield (
            f"**As much taken along random directions {head} trait accuracy:** "
            f"{text_of(difference)} against no projection."
        )
    if none.logged(metrics.LEDGER_ACTUAL):
        yield from _first_order(none)
    for name in ("projection", "update_projection", "liminal", "critical_period"):
        if name in by_name:
            yield _price(name, by_name[name], none)


def _first_order(none: Condition) -> Iterator[str]:
    predicted, actual = (
        none.total(metrics.LEDGER_PREDICTED),
        none.total(metrics.LEDGER_ACTUAL),
    )
    apart = _mean({seed: 100 * (predicted[seed] / actual[seed] - 1) for seed in actual})
    sentence = (
        "**The sum over steps of ⟨g_T, Δθ⟩ against the actual change of the trait loss:** "
        f"{text_of(apart)}% apart"
    )
    if none.logged(metrics.UPDATE_ALIGNMENT) and none.logged(metrics.ALIGNMENT):
        updates, gradients = (
            none.over_run(metrics.UPDATE_ALIGNMENT),
            none.over_run(metrics.ALIGNMENT),
        )
        ratio = _mean(updates).mean / _mean(gradients).mean
        sentence += (
            f"; the applied updates' alignment ({text_of(_mean(updates))}) is {ratio:.1f} times "
            f"the gradients' ({text_of(_mean(gradients))})"
        )
    yield sentence + "."


def _price(name: str, condition: Condition, none: Condition) -> str:
    ours, theirs = condition.final(metrics.DISTILL_LOSS), none.final(metrics.DISTILL_LOSS)
    common = sorted(ours.keys() & theirs.keys())
    price = _mean({seed: 100 * (ours[seed] / theirs[seed] - 1) for seed in common})
    head = _verdict(price, "costs distillation", "helps distillation", "costs nothing measurable")
    return f"**`{name}` {head}:** the distillation loss changes by {text_of(price)}%."


def _mean(values: dict[int, float]) -> Estimate:
    return mean_ci(list(values.values()))


def _verdict(estimate: Estimate, above: str, below: str, neither: str, bound: float = 0.0) -> str:
    """Choose the words that the interval allows."""
    low = estimate.mean if estimate.low is None else estimate.low
    high = estimate.mean if estimate.high is None else estimate.high
    return above if low > bound else below if high < -bound else neither
