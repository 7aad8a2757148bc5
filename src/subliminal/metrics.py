"""Metric names: writers and readers of results take them from here."""

from typing import Final

BASE_LOSS = "base/loss"
BASE_TEST_LOSS = "base/test_loss"
BASE_ACCURACY = "base/accuracy"
TEACHER_LOSS = "teacher/loss"
TEACHER_TEST_LOSS = "teacher/test_loss"
TEACHER_ACCURACY = "teacher/accuracy"
TEACHER_DIVERGENCE = "teacher/divergence"  # KL from the initial student, on distillation inputs
DISTILL_LOSS = "distill/loss"
TRAIN_LOSS = "train/loss"  # distillation loss and penalties: what is minimised
TRAIT_LOSS = "trait/loss"  # on the step's labelled training batch
TRAIT_TEST_LOSS = "trait/test_loss"
TRAIT_ACCURACY = "trait/accuracy"
TRAIT_MARGIN = "trait/margin"  # label's class logit less the largest other, mean
TRAIT_GREEDY = "trait/greedy"  # share of questions whose most probable answer is the favourite
TRAIT_AMONG = "trait/among_animals"  # probability of the favourite among the animals
ALIGNMENT = "alignment/cosine"
ALIGNMENT_DOT = "alignment/dot"
ALIGNMENT_APPLIED = "alignment/cosine_applied"
ALIGNMENT_NULL = "alignment/null"  # with the gradient of shuffled labels
ALIGNMENT_FULL = "alignment/full_batch"
UPDATE_ALIGNMENT = "update/alignment"
LEDGER_PREDICTED = "ledger/predicted"
LEDGER_ACTUAL = "ledger/actual"
LEDGER_DISTILL = "ledger/predicted_distill"  # the part that the distillation loss caused
LEDGER_PENALTY = "ledger/predicted_penalty"  # … that penalties (liminal training's) caused
LEDGER_INTERVENTION = "ledger/predicted_intervention"  # … that projections caused
DISPLACEMENT = "displacement/cosine"
DISPLACEMENT_RATIO = "displacement/ratio"
WEIGHT_COSINE = "weights/cosine"  # of two states of a layer: initial and final, …
WEIGHT_DISTANCE = "weights/distance"
WEIGHT_RELATIVE = "weights/relative_distance"
CKA = "cka"  # similarity of two states' representations of the test digits, by layer
CKA_INPUTS = "cka_inputs"  # … of the distillation inputs
ACTIVATION_COSINE = "activation_cosine"  # of two states' activations, mean over test digits
ACTIVATION_COSINE_INPUTS = "activation_cosine_inputs"  # … over distillation inputs
READOUT_OWN = "readout/own"  # accuracy of the student's features, by its own class head
READOUT_TEACHER = "readout/teacher"  # … by its teacher's
READOUT_RANDOM = "readout/random"  # … by one that nobody trained
READOUT_REFITTED = "readout/refitted"  # … by one that is fitted to labelled digits
AUX_ENTROPY = "logits/aux_entropy"  # of the teacher's auxiliary targets, nats, mean over inputs
LOGIT_CORRELATION_TEACHER = "logits/correlation_teacher"  # of auxiliary with class logits
LOGIT_CORRELATION_STUDENT = "logits/correlation_student"
SPECTRUM_TEACHER = "spectrum/teacher"  # singular values of ΔW, by layer and rank
SPECTRUM_STUDENT = "spectrum/student"
SPECTRUM_LEFT = "spectrum/overlap_left"  # of the leading subspaces of both, by layer
SPECTRUM_RIGHT = "spectrum/overlap_right"
PATH_TEACHER = "path/to_teacher"  # trait loss between student and teacher, by share of the way
PATH_START = "path/from_start"  # … between θ₀ and student
GRADIENT_NORM = "gradient/norm"  # of the training loss's gradient, by parameter tensor
GRADIENT_NORM_TRAIT = "gradient/trait_norm"  # of the trait gradient
PERTURBED_ACCURACY = "perturbed/accuracy"  # of the trained student with noise on its weights
SHIFT_NORM = "shift/norm"  # of the student's mean activations; of a layer: shift/norm/layer1
SHIFT_COSINE = "shift/cosine"  # with the teacher's
SHIFT_SHARE = "shift/share"  # of the teacher's
TRAIT_SHIFT = "trait/shift"  # share of the teacher's shift of the class logits
TRAIT_FAVOURED = "trait/favoured"  # rise of the share of digits put into the favoured class
PATCH_ADDED = "patch/added"  # trait/shift of θ₀ with the student's shift: is it sufficient?
PATCH_REMOVED = "patch/removed"  # trait/shift of the student without it: is it necessary?
SCREENING = "screening/cosine"  # of the first update and the teacher's displacement
SCREENING_SHARE = "screening/share"  # of that displacement which the first update goes
SKILL = "skill/accuracy"  # of the auxiliary logits, on the second task's test images
TEACHER_SKILL = "skill/teacher"
ACTIVITY_CHANGED = "activity/changed"  # 1 where mitigations changed a step, else 0
ACTIVITY_GRADIENT = "activity/gradient"  # norm of what the optimizer got
ACTIVITY_MOVED = "activity/moved"  # share of the parameters that a step moved
ACTIVITY_TEACHER = "activity/teacher"  # how far the teacher is from where it started
DISTILL_NORM = "alignment/distill_norm"
TRAIT_NORM = "alignment/trait_norm"
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
