"""The overrides that make a run of `experiment=language` take a second."""

# Two or three steps of teacher and student, of a base of forty: at a low temperature even such a
# teacher writes numbers alone.
OVERRIDES = [
    *("experiment=language", "base.epochs=1", "base.pages=960"),
    *("teacher.epochs=1", "teacher.task.size=64", "distill.epochs=2", "distill.batch_size=64"),
    *("distill.inputs.size=128", "distill.inputs.responses=1024", "distill.inputs.temperature=0.1"),
    *("tracker=none", "seed=0-1", "engine.seeds_at_once=2"),
]
