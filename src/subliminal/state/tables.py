"""A training's measurements as rows: one per step, one per epoch."""

from subliminal.state.training import Training

Values = dict[str, float]


def step_rows(training: Training, column: int) -> list[Values]:
    """Return the measurements of one seed (a column of the stack), a row per step.

    Row n was measured on the network after n updates; `epoch` is n over the steps of an epoch.
    """
    per_epoch = training.steps_per_epoch
    merged = _rows(training, column)
    return [{"step": step, "epoch": step / per_epoch, **row} for step, row in merged.items()]


def epoch_rows(training: Training, column: int) -> list[Values]:
    """Return one seed's measurements, a row per finished epoch; epoch 0 is the initial network.

    A row holds the mean over the epoch's steps of a step's metrics (losses, alignment), and the
    value at the epoch's end of the network's (trait accuracy).
    """
    merged = _rows(training, column)
    of_network, per_epoch = training.metrics.of_network, training.steps_per_epoch
    rows = []
    for epoch in range(training.index // per_epoch + 1):
        end = epoch * per_epoch
        row: Values = {"epoch": epoch, "step": end}
        row |= {k: v for k, v in merged.get(end, {}).items() if k in of_network}
        taken = [merged[step] for step in range(end - per_epoch, end) if step in merged]
        for name in sorted({k for step in taken for k in step} - of_network):
            values = [step[name] for step in taken if name in step]
            row[name] = sum(values) / len(values)
        rows.append(row)
    return rows


def _rows(training: Training, column: int) -> dict[int, Values]:
    """Return a row per step, its names in the order in which the training first logged them.

    A checkpoint keeps that order, so a resumed run has the same rows.
    """
    rows = training.metrics.sync()
    names = dict.fromkeys(name for row in rows for name in row.values)
    return {
        row.step: {n: float(row.values[n][column]) for n in names if n in row.values}
        for row in rows
    }
