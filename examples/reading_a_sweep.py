# %% [markdown]
# # Reading a sweep
#
# This reads the runs of `python -m subliminal.train sweep=reference`: students without a
# mitigation, with liminal training, and with the projection, on twenty seeds each. Any folder of
# runs will do, of one experiment or of several.

# %%
import polars as pl

import subliminal as sl

runs = sl.load("outputs/reference")
runs

# %% [markdown]
# A row per run. Each config key that varies is a column, here `mitigation`.

# %%
print(runs.runs.group_by("mitigation", maintain_order=True).agg(pl.col("trait/accuracy").mean()))

# %% [markdown]
# The report's comparison: differences paired by seed, BCa bootstrap intervals, sign-flip tests.

# %%
print(sl.compare(runs, "mitigation"))
print(sl.compare(runs, "mitigation", "distill/loss"))

# %% [markdown]
# All measurements of every step, and a figure of the report, which can be changed. Alignment is the
# cosine of the distillation gradient with the trait gradient.

# %%
steps = runs.steps
print(steps.group_by("mitigation", maintain_order=True).agg(pl.col("alignment/cosine").mean()))
alignment, accuracy = sl.plot.training(runs)
accuracy.axhline(0.5, color="tab:red")
accuracy.figure.savefig("reading_a_sweep.png")

# %% [markdown]
# One run: its config, its results, its curves.

# %%
run = runs[0]
print(run.condition, run.seed, run.config["optim"])
print(run.results)
print(run.epochs.filter(pl.col("phase") == "student").select("epoch", "trait/accuracy"))
