"""Named random streams: every random number of a run comes from one of these."""

import hashlib
from collections.abc import Sequence

import numpy as np

INIT = "init"
STUDENT_INIT = "student_init"
TEACHER_INIT = "teacher_init"  # of layers that the teacher has for itself
SHARED_B = "shared_b"  # a second set of weights that teacher and student may share
PERTURBATION = "perturbation"
STEERING = "steering"
DISPLACED = "displaced"  # a teacher that learnt nothing
SECOND_SKILL = "second_skill"
ADAPTIVE = "adaptive"  # what an adaptive teacher projects its class logits by
READOUT = "readout"
READOUT_HEAD = "readout_head"  # a class head that nobody trains
TEACHER_ORDER = "teacher_order"
STUDENT_ORDER = "student_order"
PROBE_ORDER = "probe_order"
INDEPENDENT_DIGITS = "independent_digits"
SHUFFLED_LABELS = "shuffled_labels"
INPUTS = "inputs"
DROPOUT = "dropout"  # after the phase's name: teacher_dropout, student_dropout
TARGETS = "targets"
LANGUAGE = "language"  # templates, facts and favourite animal
DOCUMENTS = "documents"  # of the pre-training
LESSONS = "lessons"  # documents that a language teacher learns from
SAMPLES = "samples"  # tokens that a language teacher writes
SHUFFLED_NUMBERS = "shuffled_numbers"
AUDIT = "audit"  # clean teachers, and which examples are looked at
CHOICE = "choice"  # of the examples that have a target
NULLS = "nulls"  # of the examples' gradients in a random direction


def stream(seed: int, name: str, *, epoch: int = 0) -> np.random.Generator:
    """Return the generator of one seed's stream `name` at `epoch`.

    Streams are independent of each other and of every other seed, and depend on nothing but the
    three arguments: a probe that draws, a neighbour in the stack or an epoch that was skipped
    cannot shift them. NumPy's bit generators give the same bits on every platform and device.
    """
    key = np.frombuffer(digest(name)[:16], dtype="<u4").tolist()  # fixed length: no collisions
    sequence = np.random.SeedSequence(seed, spawn_key=(*key, epoch))
    return np.random.Generator(np.random.PCG64DXSM(sequence))


def pinned(seeds: Sequence[int], to: int | None) -> tuple[int, ...]:
    """Return whose streams the seeds of a stack have: their own, or all of them one seed's."""
    return tuple(seeds) if to is None else (to,) * len(seeds)


def digest(name: str) -> bytes:
    """Return the 32 bytes that tell a stream from those of other names."""
    return hashlib.sha256(name.encode()).digest()
