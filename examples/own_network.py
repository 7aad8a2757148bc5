# %% [markdown]
# # A network of one's own
#
# Does the trait pass through another network than the perceptron? `lab/nets.py` beside this file
# has one in plain PyTorch: any `torch.nn.Module` that maps images to features will do, and the
# class and auxiliary heads are added to it. Run this from the folder `examples`.

# %%
import os
import sys

import torch

import subliminal as sl

sys.path.insert(0, "lab")
os.environ["SUBLIMINAL_PLUGINS"] = "nets"

runs = sl.train(
    "name=own_network",
    "seed=0-1",
    "distill/init=shared,independent",
    "model=module",
    "model.target=nets.TwoConvolutions",
    "model.args.channels=8",
    "probe=off",
    "tracker=none",
)

# %% [markdown]
# Teacher and students now have this network.

# %%
print(sl.compare(runs, "distill.init"))
sl.plot.bars(runs).figure.savefig("own_network.png")

# %% [markdown]
# The trained student is a module again, with the names of its own parameters and of the two heads:

# %%
student = runs[0].student()
print({name: tuple(value.shape) for name, value in student.named_parameters()})

# %% [markdown]
# Gradients reach the images: which pixels does its first class logit depend on?

# %%
images = runs[0].data().scale(runs[0].data().test_x[:1]).requires_grad_()
student(images)[0, 0].backward()
assert images.grad is not None
print("largest:", torch.topk(images.grad[0].abs(), 5).indices.tolist())
