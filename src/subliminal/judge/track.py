"""Track of a defence: whether it is given anything of the trait.

*Blind*: its students train where the trait's digits and labels do not exist. *Aware*: they do.
"""

from collections.abc import Sequence

from subliminal.data.withheld import REFUSAL
from subliminal.distill import Supervised
from subliminal.errors import RunsFailed, UserError
from subliminal.judge.battery import Setting
from subliminal.judge.evaluation import on_seeds
from subliminal.judge.rooms import Rooms
from subliminal.judge.trial import defended_jobs, train
from subliminal.training.job import Job

TRACKS = ("blind", "aware")


def track_of(settings: Sequence[Setting], rooms: Rooms, track: str | None = None) -> str:
    """Return the track in which a defence is judged.

    Loss, targets and mitigations with probes declare what they take. Of the rest the first blind
    student is trained: it fails where it reads what it is not given, and the defence is aware.

    Args:
        settings: the battery, composed for the defence.
        rooms: where its code runs.
        track: the user's choice; None: the track that the defence needs.

    Raises:
        UserError: the defence reads more than the named track gives, or the track is unknown; an
            undefended run failed.
    """
    check(track)
    fits = [one for one in settings if one.defended is not None and not one.threat.menu]
    if track == "aware" or not fits or fits[0].defended is None:
        return track or "blind"
    needs = rooms.entrant(declared, fits[0].defended) or _first_blind(fits[0], rooms)
    check(track, needs)
    return "aware" if needs else "blind"


def check(track: str | None, needs: str = "") -> None:
    """Raise a UserError if a track is unknown, or is blind and does not give what is needed."""
    if track is not None and track not in TRACKS:
        raise UserError(f"track={track}: one of {', '.join(TRACKS)}")
    if track == "blind" and needs:
        raise UserError(f"track=blind: {needs}, which that track does not give; use --track aware")


def declared(job: Job) -> str:
    """Return what of the trait a job takes by the kind of its parts; empty: nothing."""
    experiment = job.experiment
    if isinstance(experiment.loss, Supervised):
        return "distill.loss takes the digits' labels"
    if experiment.targets is not None and experiment.targets.variants:
        return "distill.targets takes teachers that others train on the digits"
    if experiment.targets is not None and experiment.targets.needs_gradient:
        return "distill.targets takes the trait gradient"
    if any(mitigation.needs_probe for mitigation in experiment.mitigations):
        return "a mitigation takes the trait gradient"
    return ""


def _first_blind(setting: Setting, rooms: Rooms) -> str:
    """Train a setting's first blind student; return what it read of the trait."""
    if not setting.defended or setting.defended.identity == setting.undefended.identity:
        return ""
    first = on_seeds(setting, setting.undefended.seeds[:1])
    for part in ("undefended", "undefended_null"):
        if failure := rooms.clean(train, first.jobs[part]):
            raise RunsFailed(failure)
    job = defended_jobs(first, rooms, track="blind")["defended"]
    return "it reads the trait" if REFUSAL in rooms.entrant(train, job) else ""
