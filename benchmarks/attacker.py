"""What a teacher gains that is trained through the defended student.

`python benchmarks/attacker.py liminal projection` attacks these entries of `defences/`, without
names all of ENTRIES; results go to docs/data/attacker.json, and their tables into docs/judging.md.
What is in that file is not done again.

The attacker knows θ₀, the defence and all settings, but not the student's images, order and noise.
Its teacher starts as the plain one and lowers the cross-entropy of the student's class logits on
training digits, and its own where that has grown. The ways to do it:

- `full`: by the gradient through a whole training of the student, with new draws each time
  (Maclaurin et al. 2015, arXiv 1502.03492);
- `truncated`: by that through WINDOW steps somewhere along a whole training;
- `ball`: as `full`, in a trust region of radius RADIUS · ‖θ_T − θ₀‖ around the plain teacher;
- `evolution`: antithetic evolution (Salimans et al. 2017, arXiv 1703.03864), with real students as
  oracle, of a matrix that adds the teacher's output rows to its auxiliary ones. It is found on
  development seeds, and is then the same for all seeds.

The best of the first three on the first entry's development seeds is run on the evaluation seeds,
in the setting and in that of the menu's worst (`conf/threat/search.yaml`), which is found on
development seeds too. There each teacher has one real student, of draws that no attack has seen.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
import polars as pl
import torch
from arena import Arena
from surrogate import Surrogate, unrolled
from torch import Tensor

from subliminal import store
from subliminal.config import terminal
from subliminal.config.resources import ROOT
from subliminal.judge import entries
from subliminal.judge.attack import MARGIN
from subliminal.judge.battery import Defence
from subliminal.judge.fieller import mean
from subliminal.report.tables import markdown
from subliminal.tensors import streams
from subliminal.tensors.geometry import norm

DATA, PAGE = ROOT / "docs" / "data" / "attacker.json", ROOT / "docs" / "judging.md"
BEGIN, END = "<!-- attacker: begin -->", "<!-- attacker: end -->"
ENTRIES = ("liminal", "sampled_labels", "projection", "noisy_targets", "none")
# The reference setting with a smaller network, more auxiliary logits, and fewer, larger steps.
SETTING = (
    *("model.hidden=[64,64]", "model.aux=10", "optim.lr=3e-3", "distill.batch_size=128"),
    *("distill.inputs.size=1024", "probe=alignment", "engine.threads=1"),
)
FASTER = 10  # the setting's learning rate over the reference's; the menu's are multiplied by it
DEVELOPMENT, EVALUATION = "0-1", "20-25"
ITERATIONS, RATE, WINDOW, RADIUS = 10, 1e-3, 10, 0.25
EPS = 1e-4  # of the surrogate's Adam; with the students' a few tiny gradients dominate the sum
PAIRS, GENERATIONS, SIGMA, GENERATION_RATE = 6, 10, 0.1, 0.1
SLACK = 0.005  # of a teacher's accuracy

METHODS = ("full", "truncated", "ball")
WAYS = ("menu's worst", "plain", "menu's worst, surrogate", "surrogate", "evolved")

T = TypeVar("T")
Record = dict[str, Any]


def attacked(arena: Arena, method: str) -> Tensor:
    """Return teachers (seeds, P) that were trained through surrogates of the defended students."""
    teacher = arena.plain.clone()
    outer = torch.optim.Adam([teacher], RATE, betas=(0.9, 0.99))
    reach = RADIUS * norm(arena.plain - arena.shared.teacher)[:, None]
    most = 1.05 * arena.loss(arena.plain, 0)
    windows = streams.stream(0, "attacker")
    for number in range(1, ITERATIONS + 1):
        student = Surrogate.of(arena.student(teacher, number))
        student.optim = replace(student.optim, eps=EPS)
        start, stop = 0, student.steps
        if method == "truncated":
            start = int(windows.integers(stop - WINDOW + 1))
            stop = start + WINDOW
        aim = partial(arena.loss, number=number, even=True)
        _, gradient = unrolled(student, teacher, aim, start, stop)
        weights = teacher.clone().requires_grad_()
        own = arena.loss(weights, number)
        (kept,) = torch.autograd.grad(own.sum(), weights)
        worse = 2 * (own > most).to(gradient)[:, None]
        teacher.grad = gradient / norm(gradient)[:, None] + worse * kept / norm(kept)[:, None]
        outer.param_groups[0]["lr"] = RATE * (1 - (number - 1) / ITERATIONS)
        outer.step()
        if method == "ball":
            away = teacher - arena.plain
            teacher.copy_(arena.plain + away * (reach / norm(away)[:, None]).clamp(max=1))
    return accurate(arena, teacher)


def accurate(arena: Arena, teacher: Tensor) -> Tensor:
    """Return the teachers, each moved towards the plain one until it loses no more than SLACK."""
    least = arena.accuracy(arena.plain, test=False) - SLACK
    share = torch.ones(len(teacher), 1)
    while True:
        moved = arena.plain + share * (teacher - arena.plain)
        worse = arena.accuracy(moved, test=False) < least
        if not worse.any():
            return moved
        share = (share - 0.2 * worse[:, None]).clamp(min=0)


def mixed(arena: Arena, matrices: Tensor) -> Tensor:
    """Add matrices (copies, m, classes + m) times the teacher's output rows to its auxiliary rows.

    The class logits stay what they are. Returns weights (copies · seeds, P).
    """
    network, theta = arena.made.teacher_network, arena.plain.repeat(len(matrices), 1)
    views, (layer, rows) = network.layout.views(theta), network.head_of("aux")
    each = matrices.repeat_interleave(len(arena.plain), dim=0)
    weight, bias = views[f"{layer}.weight"], views[f"{layer}.bias"][..., None]
    weight[:, rows] += each @ weight
    bias[:, rows] += each @ bias
    return theta


def evolved(arena: Arena) -> Tensor:
    """Return the matrix (m, classes + m) that an evolution strategy finds with real students."""
    network = arena.made.teacher_network
    found = torch.zeros(network.model.aux, network.classes + network.model.aux)
    outer = torch.optim.Adam([found], GENERATION_RATE)
    for number in range(1, GENERATIONS + 1):
        drawn = streams.stream(0, "attacker", epoch=number).normal(size=(PAIRS, *found.shape))
        noise = torch.from_numpy(drawn).float()
        students = arena.trained(mixed(arena, found + SIGMA * torch.cat([noise, -noise])), number)
        losses = (
            arena.loss(students, number, even=True).view(2, PAIRS, -1).mean(dim=2)
        )  # over seeds
        gain = losses[0] - losses[1]
        found.grad = (gain[:, None, None] / gain.abs().mean() * noise).mean(dim=0)
        outer.step()
    return found


def menu() -> dict[str, list[str]]:
    """Return the search's menu, with learning rates of the student as much faster as SETTING's."""
    given = Defence((), ("seed=0",)).compose(("threat=search",))["threat"]["menu"]
    return {name: [_faster(word) for word in words] for name, words in given.items()}


def _faster(word: str) -> str:
    key, _, value = word.partition("=")
    return f"{key}={float(value) * FASTER}" if key == "optim.lr" else word


def study(name: str, studies: Record) -> None:
    """Attack one entry; each step's results are kept, and what is there is not done again."""
    kept = studies.setdefault(name, {})
    defence = entries.read(entries.files()[name]).overrides

    def step(what: str, function: Callable[[], T]) -> T:
        if what not in kept:
            started = time.process_time()
            value = function()
            kept[what] = {"value": value, "seconds": time.process_time() - started}
            print(f"{name}: {what}, {kept[what]['seconds']:.0f} s", flush=True)
            save(studies)
        return kept[what]["value"]  # type: ignore[no-any-return]

    def on_menu() -> dict[str, float]:
        least, leaks = float(development.accuracy(development.plain).mean()) - MARGIN, {}
        for one, words in menu().items():
            arena = Arena(DEVELOPMENT, (*SETTING, *words, *defence))
            if float(arena.accuracy(arena.plain).mean()) >= least:
                leaks[one] = float(np.mean(arena.leak(arena.plain)))
        return leaks

    def tried(method: str) -> float:
        return float(np.mean(development.leak(attacked(development, method))))

    def evaluated(teachers: Callable[[Arena], Tensor], more: Sequence[str]) -> Record:
        arena = Arena(EVALUATION, (*SETTING, *more, *defence))
        teacher = teachers(arena)
        skill = [float(hits) for hits in arena.accuracy(teacher)]
        return {"leak": arena.leak(teacher), "teacher": skill}

    development = Arena(DEVELOPMENT, (*SETTING, *defence))
    leaks = step("menu", on_menu)
    worst = max(leaks, key=lambda one: leaks[one])
    if name == ENTRIES[0]:
        for method in METHODS:
            step(method, partial(tried, method))
    through = partial(attacked, method=chosen(studies))
    matrix = torch.tensor(step("evolution", lambda: evolved(development).tolist()))
    teachers: list[tuple[Callable[[Arena], Tensor], Sequence[str]]] = [
        (attrgetter("plain"), menu()[worst]),
        (attrgetter("plain"), ()),
        (through, menu()[worst]),
        (through, ()),
        (partial(mixed, matrices=matrix[None]), ()),
    ]
    for way, of in zip(WAYS, teachers, strict=True):
        step(way, partial(evaluated, *of))


def chosen(studies: Record) -> str:
    """Return the method that leaks most on the first entry's development seeds."""
    return max(METHODS, key=lambda method: studies[ENTRIES[0]][method]["value"])


def tables(studies: Record) -> str:
    """Return what was found as Markdown: on development seeds, and on evaluation seeds."""
    first, second = [], []
    for name, kept in studies.items():
        if not {*WAYS} <= kept.keys():
            continue
        value = {what: of["value"] for what, of in kept.items()}
        leaks = value["menu"]
        row = {"entry": name, "menu's worst": (worst := max(leaks, key=lambda one: leaks[one]))}
        row |= {"its leak": f"{leaks[worst]:.3f}"}
        row |= {one: f"{value[one]:.3f}" if one in value else "" for one in METHODS}
        first.append(row | {"seconds in all": f"{sum(of['seconds'] for of in kept.values()):.0f}"})
        for way in WAYS:
            (leak, skill), (least, _), (_, plain) = (
                (np.array(value[of]["leak"]), float(np.mean(value[of]["teacher"])))
                for of in (way, WAYS[0], WAYS[1])
            )
            more, own = mean(leak - least), skill - plain
            above = mean(leak - np.array(value[WAYS[1]]["leak"]))
            row = {"entry": name, "teacher": way, "class accuracy": f"{leak.mean():.3f}"}
            row["above the menu's worst"] = "" if way == WAYS[0] else more.format(3)
            row["above plain"] = above.format(3) if way in WAYS[3:] else ""
            row["teacher's accuracy"] = f"{skill:.3f} ({own:+.3f})".replace("-", "−")
            row["counts"] = "yes" if more.low > 0 and own >= -MARGIN else ""
            second.append(row)
    return "\n\n".join(markdown(pl.DataFrame(rows)) for rows in (first, second))


def save(kept: Record) -> None:
    text = json.dumps(kept) + "\n"
    store.write_atomically(DATA, lambda path: path.write_text(text, "utf-8"))


def main(argv: Sequence[str]) -> None:
    torch.set_num_threads(1)
    kept = json.loads(DATA.read_text("utf-8")) if DATA.is_file() else {}
    if unknown := set(argv) - entries.files().keys():
        raise SystemExit(f"attacker: no entry {min(unknown)} in defences/")
    for name in argv or ENTRIES:
        study(name, kept)
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    text = "\n".join([BEGIN, tables(kept), END])
    PAGE.write_text(before + text + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    terminal.settle()
    main(sys.argv[1:])
