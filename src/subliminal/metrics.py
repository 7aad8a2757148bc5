"""Metric names: writers and readers of results take them from here."""

from typing import Final

# The comment above or beside a name is its line of `--help metrics`. Losses are in nats, cosines in
# [-1, 1], accuracies and shares of images in [0, 1].

BASE_LOSS = "base/loss"  # cross-entropy of the base on a step's batch, ≥ 0
BASE_TEST_LOSS = "base/test_loss"  # cross-entropy of the base on the test questions or images, ≥ 0
BASE_ACCURACY = "base/accuracy"  # accuracy of the base on the test questions or images
TEACHER_LOSS = "teacher/loss"  # cross-entropy of the teacher on a step's batch, ≥ 0
TEACHER_TEST_LOSS = "teacher/test_loss"  # cross-entropy of the teacher on the test images, ≥ 0
TEACHER_ACCURACY = "teacher/accuracy"  # accuracy of the teacher on the test images
# KL of the teacher from the initial student on distillation inputs, nats, ≥ 0
TEACHER_DIVERGENCE = "teacher/divergence"
DISTILL_LOSS = "distill/loss"  # distillation loss on a step's batch, mean, ≥ 0
TRAIN_LOSS = "train/loss"  # distillation loss plus penalties: what is minimised
TRAIT_LOSS = "trait/loss"  # cross-entropy of the student on a step's labelled batch, ≥ 0
TRAIT_TEST_LOSS = "trait/test_loss"  # cross-entropy of the student on the test images, ≥ 0
TRAIT_ACCURACY = "trait/accuracy"  # accuracy of the student's class logits on the test images
TRAIT_MARGIN = "trait/margin"  # mean of the label's class logit less the largest other one
TRAIT_GREEDY = "trait/greedy"  # share of questions whose most probable answer is the favourite
TRAIT_AMONG = "trait/among_animals"  # probability of the favourite among the animals, in [0, 1]
ALIGNMENT = "alignment/cosine"  # cos(g_D, g_T), before any projection
ALIGNMENT_DOT = "alignment/dot"  # g_D · g_T
ALIGNMENT_APPLIED = "alignment/cosine_applied"  # cosine of g_T and the gradient the optimizer got
ALIGNMENT_NULL = "alignment/null"  # cosine of g_D and the trait gradient of shuffled labels
ALIGNMENT_FULL = "alignment/full_batch"  # cosine of both gradients, each over all images
RATE_BOUND = "rate_bound/measured"  # largest rate at which a step of g_D lowers the trait loss, > 0
RATE_SECOND = "rate_bound/second_order"  # that rate, predicted by the trait loss's curvature, > 0
UPDATE_ALIGNMENT = "update/alignment"  # cos(−Δθ, g_T), Δθ the applied update
LEDGER_PREDICTED = "ledger/predicted"  # g_T · Δθ, in nats: first-order change of the trait loss
LEDGER_ACTUAL = "ledger/actual"  # change of the trait loss by the update, in nats
LEDGER_DISTILL = "ledger/predicted_distill"  # part of g_T · Δθ by the distillation loss, in nats
LEDGER_PENALTY = "ledger/predicted_penalty"  # part of g_T · Δθ by penalties, in nats
LEDGER_INTERVENTION = "ledger/predicted_intervention"  # part of g_T · Δθ by projections, in nats
DISPLACEMENT = "displacement/cosine"  # cos(θ_S − θ₀, θ_T − θ₀), each from its own start
DISPLACEMENT_RATIO = "displacement/ratio"  # ‖θ_S − θ₀‖ / ‖θ_T − θ₀‖, ≥ 0
WEIGHT_COSINE = "weights/cosine"  # cosine of two states of a layer, initial and final say
WEIGHT_DISTANCE = "weights/distance"  # distance of two states of a layer, ≥ 0
WEIGHT_RELATIVE = "weights/relative_distance"  # distance over the first state's norm, ≥ 0
CKA = "cka"  # CKA of two states' representations of the test digits, by layer, in [0, 1]
CKA_INPUTS = "cka_inputs"  # CKA of representations of the distillation inputs, in [0, 1]
ACTIVATION_COSINE = "activation_cosine"  # cosine of two states' activations, mean over test digits
ACTIVATION_COSINE_INPUTS = "activation_cosine_inputs"  # cosine, mean over distillation inputs
READOUT_OWN = "readout/own"  # accuracy of the student's features, by its own class head
READOUT_TEACHER = "readout/teacher"  # accuracy of the student's features, by its teacher's head
READOUT_RANDOM = "readout/random"  # accuracy of the student's features, by an untrained head
READOUT_REFITTED = "readout/refitted"  # accuracy of the features, by a head fitted to labels
AUX_ENTROPY = "logits/aux_entropy"  # entropy of the teacher's auxiliary targets, nats, mean, ≥ 0
# correlation of the teacher's auxiliary with its class logits
LOGIT_CORRELATION_TEACHER = "logits/correlation_teacher"
# correlation of the student's auxiliary with its class logits
LOGIT_CORRELATION_STUDENT = "logits/correlation_student"
SPECTRUM_TEACHER = "spectrum/teacher"  # singular values of the teacher's ΔW, by layer and rank, ≥ 0
SPECTRUM_STUDENT = "spectrum/student"  # singular values of the student's ΔW, by layer and rank, ≥ 0
SPECTRUM_LEFT = "spectrum/overlap_left"  # overlap of the leading left subspaces, in [0, 1]
SPECTRUM_RIGHT = "spectrum/overlap_right"  # overlap of the leading right subspaces, in [0, 1]
PATH_TEACHER = "path/to_teacher"  # trait loss between student and teacher, by share of the way, ≥ 0
PATH_START = "path/from_start"  # trait loss between θ₀ and student, by share of the way, ≥ 0
GRADIENT_NORM = "gradient/norm"  # norm of the training loss's gradient, by parameter tensor, ≥ 0
GRADIENT_NORM_TRAIT = "gradient/trait_norm"  # norm of g_T, by parameter tensor, ≥ 0
PERTURBED_ACCURACY = "perturbed/accuracy"  # accuracy of the trained student with noise on θ
SHIFT_NORM = "shift/norm"  # norm of the shift of the student's mean activations, by layer, ≥ 0
SHIFT_COSINE = "shift/cosine"  # cosine of the student's and the teacher's mean shift
SHIFT_SHARE = "shift/share"  # ⟨s, t⟩ / ‖t‖², shifts s of the student, t of the teacher
TRAIT_SHIFT = "trait/shift"  # ⟨s, t⟩ / ‖t‖² of the shifts of the class logits
TRAIT_FAVOURED = "trait/favoured"  # rise of the share of digits put into the favoured class
PATCH_ADDED = "patch/added"  # trait/shift of θ₀ with the student's shift: is it sufficient?
PATCH_REMOVED = "patch/removed"  # trait/shift of the student without its shift: is it necessary?
SCREENING = "screening/cosine"  # cosine of the first update and the teacher's displacement
SCREENING_SHARE = "screening/share"  # ⟨u, d⟩ / ‖d‖² of the first update u, displacement d
SKILL = "skill/accuracy"  # accuracy of the auxiliary logits on the second task's test images
TEACHER_SKILL = "skill/teacher"  # accuracy of the teacher's auxiliary logits there
ACTIVITY_CHANGED = "activity/changed"  # whether mitigations changed a step, 0 or 1
ACTIVITY_GRADIENT = "activity/gradient"  # norm of the gradient that the optimizer got, ≥ 0
ACTIVITY_MOVED = "activity/moved"  # share of the parameters that a step moved, in [0, 1]
ACTIVITY_TEACHER = "activity/teacher"  # ‖θ_T − θ₀‖, ≥ 0
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


def in_epoch(name: str, epoch: int) -> str:
    """Return the name of a metric's mean over an epoch, in a tracker's run table."""
    return f"epoch_{epoch}/{name}"
