# %% [markdown]
# # A mitigation of one's own
#
# Is the trait carried by the large entries of the gradient, or by the many small ones? `lab/`
# beside this file holds a mitigation that keeps only the largest entries: `lab/sparse_gradient.py`
# is the code, `lab/conf/mitigation/sparse.yaml` its values. Run this from the folder `examples`.
#
# A config may only name classes of this package, and of the modules in `SUBLIMINAL_PLUGINS`. Worker
# processes import these modules from this process's `sys.path`.

# %%
import os
import sys

import polars as pl

import subliminal as sl

sys.path.insert(0, "lab")
os.environ["SUBLIMINAL_PLUGINS"] = "sparse_gradient"

# %% [markdown]
# A job without the mitigation, and one for each share of kept entries:

# %%
common = ("name=own_mitigation", "seed=0-1", "tracker=none")
sl.train("mitigation=none", *common)
sl.train(
    "mitigation=sparse", "mitigation.sparse.share=0.01,0.1,0.5", *common, config_dir="lab/conf"
)
runs = sl.load("outputs/own_mitigation")

# %% [markdown]
# The differences to the students without the mitigation, seed by seed. (Two seeds show a direction;
# an interval needs ten or more.)

# %%
print(sl.compare(runs, "mitigation"))
sl.plot.dose(runs, "mitigation.sparse.share").figure.savefig("own_mitigation.png")

# %% [markdown]
# Each value that the mitigation logs is a column of the steps, like those of the probes:

# %%
steps = runs.steps.group_by("condition", maintain_order=True)
print(steps.agg(pl.col("sparse/norm").mean()))
