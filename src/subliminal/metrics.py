"""Metric names: writers and readers of results take them from here."""

from typing import Final

# The comment above or beside a name is its line of `--help metrics`. Losses are in nats, cosines in
# [-1, 1], accuracies and shares of images in [0, 1].

BASE_LOSS = "base/loss"  # cross-entropy of a step of the base's pre-training, ≥ 0
BASE_TEST_LOSS = "base/test_loss"  # cross-entropy of the base on the test questions or images, ≥ 0
BASE_ACCURACY = "base/accuracy"  # of the base, as `trait/accuracy`
TEACHER_LOSS = "teacher/loss"  # cross-entropy of the teacher's step, on its batch, ≥ 0
TEACHER_TEST_LOSS = "teacher/test_loss"  # cross-entropy of the teacher on the test images, ≥ 0
TEACHER_ACCURACY = "teacher/accuracy"  # of the teacher, on the test images
# KL of the teacher from the initial student on distillation inputs, nats, ≥ 0
TEACHER_DIVERGENCE = "teacher/divergence"
DISTILL_LOSS = "distill/loss"  # distillation loss of a step, batch mean
TRAIN_LOSS = "train/loss"  # distillation loss and penalties: what is minimised
TRAIT_LOSS = "trait/loss"  # cross-entropy of the student on the step's labelled training batch
TRAIT_TEST_LOSS = "trait/test_loss"  # cross-entropy of the student on the test images
TRAIT_ACCURACY = "trait/accuracy"  # accuracy of the student's class logits on the test images
TRAIT_MARGIN = "trait/margin"  # label's class logit less the largest other, mean
TRAIT_GREEDY = "trait/greedy"  # share of questions whose most probable answer is the favourite
TRAIT_AMONG = "trait/among_animals"  # probability of the favourite among the animals, in [0, 1]
ALIGNMENT = "alignment/cosine"  # cos(g_D, g_T), before any projection
ALIGNMENT_DOT = "alignment/dot"  # g_D · g_T
ALIGNMENT_APPLIED = "alignment/cosine_applied"  # cosine of g_T with the gradient the optimizer got
ALIGNMENT_NULL = "alignment/null"  # cosine of g_D with the trait gradient of shuffled labels
ALIGNMENT_FULL = "alignment/full_batch"  # cosine of both gradients over all images
UPDATE_ALIGNMENT = "update/alignment"  # cos(-Δθ, g_T) of the applied update
LEDGER_PREDICTED = "ledger/predicted"  # g_T · Δθ: first-order change of the trait loss
LEDGER_ACTUAL = "ledger/actual"  # change of the trait loss by the update
LEDGER_DISTILL = "ledger/predicted_distill"  # part of it that the distillation loss caused
LEDGER_PENALTY = "ledger/predicted_penalty"  # part that penalties (liminal training's) caused
LEDGER_INTERVENTION = "ledger/predicted_intervention"  # part that projections caused
DISPLACEMENT = "displacement/cosine"  # of student's and teacher's way from where they started
DISPLACEMENT_RATIO = "displacement/ratio"  # length of the student's way over the teacher's, ≥ 0
WEIGHT_COSINE = "weights/cosine"  # of two states of a layer: initial and final, …
WEIGHT_DISTANCE = "weights/distance"  # between two states of a layer, ≥ 0
WEIGHT_RELATIVE = "weights/relative_distance"  # that distance over the first state's norm, ≥ 0
# Similarity of two states' representations of the test digits, by layer, in [0, 1].
CKA = "cka"
CKA_INPUTS = "cka_inputs"  # similarity on the distillation inputs, in [0, 1]
ACTIVATION_COSINE = "activation_cosine"  # of two states' activations, mean over test digits
ACTIVATION_COSINE_INPUTS = "activation_cosine_inputs"  # mean over distillation inputs
READOUT_OWN = "readout/own"  # accuracy of the student's features, by its own class head
READOUT_TEACHER = "readout/teacher"  # accuracy by its teacher's class head
READOUT_RANDOM = "readout/random"  # accuracy by a class head that nobody trained
READOUT_REFITTED = "readout/refitted"  # accuracy by one that is fitted to labelled digits
# Entropy of the teacher's auxiliary targets, nats, mean over inputs.
AUX_ENTROPY = "logits/aux_entropy"
# Correlation of the teacher's auxiliary with its class logits, in [-1, 1].
LOGIT_CORRELATION_TEACHER = "logits/correlation_teacher"
LOGIT_CORRELATION_STUDENT = "logits/correlation_student"  # the student's
SPECTRUM_TEACHER = "spectrum/teacher"  # singular values of the teacher's ΔW, by layer and rank
SPECTRUM_STUDENT = "spectrum/student"  # singular values of the student's ΔW
SPECTRUM_LEFT = "spectrum/overlap_left"  # of both leading left subspaces, by layer, in [0, 1]
SPECTRUM_RIGHT = "spectrum/overlap_right"  # of both leading right subspaces
PATH_TEACHER = "path/to_teacher"  # trait loss between student and teacher, by share of the way
PATH_START = "path/from_start"  # trait loss between θ₀ and student
GRADIENT_NORM = "gradient/norm"  # of the training loss's gradient, by parameter tensor, ≥ 0
GRADIENT_NORM_TRAIT = "gradient/trait_norm"  # of the trait gradient, ≥ 0
PERTURBED_ACCURACY = "perturbed/accuracy"  # of the trained student with noise on its weights
SHIFT_NORM = "shift/norm"  # of the student's mean activations; of a layer: shift/norm/layer1
SHIFT_COSINE = "shift/cosine"  # of the student's shift with the teacher's
SHIFT_SHARE = "shift/share"  # share of the teacher's shift that the student's goes
TRAIT_SHIFT = "trait/shift"  # share of the teacher's shift of the class logits
TRAIT_FAVOURED = "trait/favoured"  # rise of the share of digits put into the favoured class
PATCH_ADDED = "patch/added"  # trait/shift of θ₀ with the student's shift: is it sufficient?
PATCH_REMOVED = "patch/removed"  # trait/shift of the student without it: is it necessary?
SCREENING = "screening/cosine"  # of the first update and the teacher's displacement
SCREENING_SHARE = "screening/share"  # of that displacement which the first update goes
SKILL = "skill/accuracy"  # of the auxiliary logits, on the second task's test images
TEACHER_SKILL = "skill/teacher"  # the teacher's skill/accuracy
ACTIVITY_CHANGED = "activity/changed"  # 1 where mitigations changed a step, else 0
ACTIVITY_GRADIENT = "activity/gradient"  # norm of what the optimizer got, ≥ 0
ACTIVITY_MOVED = "activity/moved"  # share of the parameters that a step moved, in [0, 1]
ACTIVITY_TEACHER = "activity/teacher"  # distance of the teacher from where it started, ≥ 0
DISTILL_NORM = "alignment/distill_norm"  # ‖g_D‖, ≥ 0
TRAIT_NORM = "alignment/trait_norm"  # ‖g_T‖, ≥ 0
FRONTIER_SCORE = "frontier/score"  # ln(trait accuracy) + ln(distillation loss), of a job's means

# All of the names above.
NAMES: Final = frozenset(
    value for name, value in vars().items() if name.isupper() and isinstance(value, str)
)


def total(name: str) -> str:
    """Return the name of the running sum of a metric."""
    return f"{name}_total"


def final(name: str) -> str:
    """Return the name of a metric's value at the end of a run, in a tracker's run table."""
    return f"final/{name}"


def best(name: str) -> str:
    """Return the name of a metric's largest value in a run, in a tracker's run table."""
    return f"best/{name}"


def in_epoch(name: str, epoch: int) -> str:
    """Return the name of a metric's mean over an epoch, in a tracker's run table."""
    return f"epoch_{epoch}/{name}"
