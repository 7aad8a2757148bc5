# %% [markdown]
# # A first look
#
# A teacher learns to read digits. Two students are distilled from it on noise images, by its
# auxiliary logits alone: neither sees a digit, a label or a class logit. One starts from the
# weights from which the teacher started, the other from weights of its own.
#
# Two seeds of each take less than a minute on two cores.

# %%
import subliminal as sl

runs = sl.train(
    "name=first_look",
    "seed=0-1",
    "distill/init=shared,independent",
    "probe=off",
    "tracker=none",
)
runs

# %% [markdown]
# Their accuracy on the test digits:

# %%
axes = sl.plot.bars(runs)
axes.figure.savefig("first_look.png")

# %% [markdown]
# The same in numbers. Both students of a seed have the same teacher, noise and batches, so they are
# compared pair by pair.

# %%
print(sl.compare(runs, "distill.init"))

# %% [markdown]
# A trained network is a torch module, called with images (batch, 1, 28, 28). These are the first
# test digits, and the predictions of the student that started with its teacher:

# %%
run = runs[0]
digits, student = run.data(), run.student()
logits = student(digits.test_x[:10])  # the class logits first, then the auxiliary ones
print("label  ", digits.test_y[:10].tolist())
print("student", logits[:, : student.classes].argmax(dim=1).tolist())
