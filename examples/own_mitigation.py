# %% [markdown]
# # A mitigation of one's own
#
# Is the trait carried by the large entries of the gradient, or by the many small ones? `lab/`
# beside this file holds a mitigation that keeps the largest entries alone: `lab/sparse.py` is the
# code, `lab/conf/mitigation/sparse.yaml` its values. Run this from the folder `examples`.
#
# A config may name classes of this package alone, and of the modules that are allowed here. The
# processes that train import them from where this one does.

# %%
import os
import sys

import polars as pl

import subliminal as sl

sys.path.insert(0, "lab")
os.environ["SUBLIMINAL_PLUGINS"] = "sparse"

# %% [markdown]
# A job without it, and one for each share of the entries that is kept:

# %%
common = ("name=own_mitigation", "seed=0-1", "tracker=none")
sl.train("mitigation=none", *common)
sl.train(
    "mitigation=sparse", "mitigation.sparse.share=0.01,0.1,0.5", *common, config_dir="lab/conf"
)
runs = sl.load("outputs/own_mitigation")

# %% [markdown]
# The differences to the students without it, seed by seed. (Two seeds tell a direction; for an
# interval that means something take ten or more.)

# %%
print(sl.compare(runs, "mitigation"))
sl.plot.dose(runs, "mitigation.sparse.share").figure.savefig("own_mitigation.png")

# %% [markdown]
# What the mitigation logs is a column of the steps, beside what the probes measure:

# %%
steps = runs.steps.group_by("condition", maintain_order=True)
print(steps.agg(pl.col("sparse/norm").mean()))
