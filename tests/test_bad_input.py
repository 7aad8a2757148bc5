"""Bad input to every command: one line that says what is allowed, status 2, nothing trained."""

import shlex
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import subliminal as sl
from subliminal.errors import UserError

MODULES = {
    **{"runs": "commands.runs", "report": "report.__main__", "sync": "trackers.sync"},
    **{"reproduce": "commands.reproduce", "dashboard": "commands.dashboard"},
    **{"judge": "judge.__main__", "subliminal": "__main__"},
}
THREAT = "# @package _global_\nthreat: {name: %s, order: 1, asks: x}\n"
FILES = {
    "tab/mitigation/mine.yaml": b"mine:\n\tstart: 1\n",
    "twice/mitigation/mine.yaml": b"mine: 1\nmine: 2\n",
    "latin/mitigation/mine.yaml": "# Gr\xf6\xdfe\nmine: 1\n".encode("latin-1"),
    "bom/mitigation/mine.yaml": b"\xef\xbb\xbf# @package _global_\nmitigation: {}\n",
    "list/mitigation/mine.yaml": b"- 1\n",
    "cut/sweep/mine.yaml": b"hydra: {mode: [\n",
    "tab/threat/mine.yaml": b"threat:\n\tname: mine\n",
    "bare/threat/mine.yaml": b"# @package _global_\nmodel: {aux: 4}\n",
    "other/threat/mine.yaml": (THREAT % "other").encode(),
}
YAML = "a config file is YAML: each key once, indented with spaces, in UTF-8"
CASES = [
    ("train mitigation=nope", "nope"),
    ("train distill.epoch=3", "epoch"),
    ("train distill.epochs=three", "distill.epochs"),
    ("train distill.linearised=true probe=cka", "distill.linearised=true: cka needs"),
    ("train distill.linearised=true mitigation=kernel_pull", "true: kernel_pull needs"),
    ("train distill.linearised=true distill.generations=2", "true: distill.generations > 1 needs"),
    ("train distill.linearised=true threat=reference", "distill.linearised=true: the judge needs"),
    ("train probe=rate_bound probe.rate_bound.every=0", "probe.rate_bound.every=0: at least 1"),
    ("train distill.epochs=0", "distill.epochs=0: at least 1"),
    ("train distill.batch_size=1000", "between 1 and 320"),
    ("train model.aux=0", "model.aux=0"),
    ("train mitigation=projection probe=off", "use probe=alignment"),
    ("train seed=19-0", "19-0"),
    ("train seed=a-b", "a-b"),
    ("train seed=0-9,10-19", "-m is needed"),
    ("train grid=a optim.lr=0.1", "neither -m nor hydra.mode: MULTIRUN"),
    ("train 'hydra.sweeper.params={optim.lr: 0.1}'", "neither -m nor hydra.mode: MULTIRUN"),
    ("train seed=-1", "-1"),
    ("train outputs=/dev/null/x", "/dev/null"),
    ("train -m --cfg=hydra", "Only one of --run, --multirun, --cfg"),
    ("train --multirn seed=0", "--multirn seed=0; did you mean --multirun? "),
    ("train --cfg jbo", "--cfg/-c: invalid choice: 'jbo'; did you mean job? "),
    ("train seed=0 --config-dir", "--config-dir/-cd: expected one argument"),
    ("train -m distill.epochs=1,0", "distill.epochs=0"),
    ("train -m seed=0-1,5-2", "5-2"),
    ("train sweep=nope", "nope"),
    ("train 'objective=[trait/acuracy]'", "did you mean trait/accuracy? there is "),
    ("train 'objective=[]'", "objective: at least one metric is needed"),
    ("train optim=null", "optim=null: no option's name; there is adam, "),
    ("train '~optim'", "optim"),
    ("train '~resume'", "resume"),
    ("train -m '~resume'", "resume"),
    ("train '~objective'", "objective"),
    ("train '~outputs'", "outputs"),
    ("train name=a/wandb", "no part may"),
    ("train name=seed-0001", "no part may"),
    ("train tracker=wandb 'tracker.tags=['\"'\"''\"'\"']'", "tracker.tags"),
    (f"train tracker=wandb tracker.tags=[{'t' * 65}]", "tracker.tags"),
    ("train tracker=wandb 'tracker.project=a?b'", "tracker.project"),
    ("train tracker=wandb 'tracker.entity=a#b'", "tracker.entity"),
    ("train optim.lr=nan", "optim.lr=nan: a finite number"),
    ("train teacher.optim.lr=0", "teacher.optim.lr=0.0"),
    ("train mitigation=projection 'mitigation.projection.layers=[nope]'", "no 'nope'; there is"),
    ("train mitigation=projection mitigation.projection.strength=2", "mitigation.projection."),
    ("train mitigation=liminal mitigation.liminal.start=nan", "liminal.start=nan"),
    # Files of a user.
    ("train --config-dir tab mitigation=mine", "tab/mitigation/mine.yaml: line 2: found character"),
    ("train --config-dir tab mitigation=mine", YAML),
    ("train -m --config-dir tab mitigation=none,mine", YAML),
    ("train --config-dir tab --help mitigation=mine", YAML),
    ("train --config-dir twice mitigation=mine", "line 2: found duplicate key mine"),
    ("train --config-dir latin mitigation=mine", YAML),
    ("train --config-dir bom mitigation=mine", "starts with a byte-order mark"),
    ("train --config-dir list mitigation=mine", "a list, not keys and values"),
    ("train --config-dir cut sweep=mine", "cut/sweep/mine.yaml: line 2: "),
    ("train --config-dir tba mitigation=mine", "tba: no such folder; in .: did you mean tab? "),
    ("judge --config-dir tab mitigation=liminal", "tab/threat/mine.yaml: line 2: "),
    (
        "judge --config-dir tab --threat reference mitigation=mine",
        "tab/mitigation/mine.yaml: line 2: ",
    ),
    ("judge --config-dir bare --threat mine mitigation=liminal", "its file needs `threat:`"),
    ("judge --config-dir other --threat mine mitigation=liminal", "`name: mine`"),
    ("judge --config-dir tba mitigation=liminal", "did you mean tab? "),
    # Names: of options, keys, flags, folders.
    ("train mitigation=projecton", "did you mean projection? there is anchor, "),
    ("train mitigation=[liminal,projecton]", "did you mean projection? there is anchor, "),
    ("train mitigation=", "mitigation=: no such option; there is anchor, "),
    ("train mitigation=nan", "mitigation=nan: no option's name; there is anchor, "),
    ("train mitigation=[1,2]", "mitigation=[1,2]: no option's name; there is anchor, "),
    ("train threat=null", "threat=null: no option's name; "),
    ("train sweep=questions/batchs", "did you mean questions/batch? there is "),
    ("train sweep=batch", "did you mean questions/batch? "),
    ("train optim@teacher.optim=sgdd", "no such option; did you mean sgd? "),
    ("train hydra/launcher=jobllib", "did you mean joblib? there is basic, "),
    ("train hydra/lancher=joblib", "no such group; did you mean hydra/launcher? "),
    ("train distil/inputs=mnist", "did you mean distill/inputs? "),
    ("train +mitigation=liminal", "leave out the +"),
    ("train mitigation.liminal.start=0.5", "choose it with mitigation=[liminal]"),
    ("train mitigation=projection mitigation.liminal.start=1", "mitigation=[projection,liminal]"),
    ("train mitigation=liminal mitigation.liminal.stat=1", "did you mean start? there is logits, "),
    ("train optimm.lr=1", "optimm: no such key; did you mean optim? there is name, "),
    ("train optim.lrr=1", "optim.lrr: no such key; did you mean lr? there is lr, betas, "),
    ("train --seed 3", "--seed 3; there is --help, "),
    ("train --seed 3", "settings are written as seed=3"),
    ("train -sc", "-sc: install=SHELL"),
    # Values.
    ("train model.hidden=256", "model.hidden=256: a list, [256], is needed"),
    ("train objective=trait/accuracy", "a list, [trait/accuracy], is needed"),
    ("train resume=maybe", "resume=maybe: true or false is needed"),
    ("train optim.lr=", "optim.lr=: a number is needed"),
    ("train distill.inputs.size=1e9", "a whole number is needed"),
    ("train pin.init=x", "pin.init=x: a whole number or null is needed"),
    ("train distill.inputs=mnist", "with a slash, as in distill/inputs=mnist"),
    ("train mitigation=liminal mitigation.liminal._target_=jobs.Nope", "SUBLIMINAL_PLUGINS names"),
    # Folders, modules, Hydra's own keys.
    ("train outputs=", "outputs=: a folder is needed, such as outputs=results"),
    ("train hydra.run.dir=~nobody_here/x", "~nobody_here/x: no such home folder"),
    ("train -m hydra.sweep.dir=~nobody_here/x", "~nobody_here/x: no such home folder"),
    ("SUBLIMINAL_PLUGINS=small,nope train seed=0", "SUBLIMINAL_PLUGINS=nope: no such module; "),
    ("train hydra.verbose=foo", "hydra.verbose=foo: true, false or modules that log"),
    ("train hydra.verbose=3", "hydra.verbose=3: true, false or modules that log"),
    ("train --config-name nope", "--config-name nope: no such config; leave it out"),
    ("train -m pair=optim.lr", "pair=optim.lr: at least two keys are needed, such as pair="),
    # Grammar.
    ("train probe=[alignment, cka]", "cannot be read; write KEY=VALUE, lists without spaces"),
    ("train 'tracker=wandb' 'tracker.tags=[größe]'", "tracker.tags=[größe]: cannot be read; "),
    ("train mitigation liminal", "such as mitigation=liminal"),
    ("train optim.lr", "such as optim.lr=VALUE"),
    ("train =3", "=3: KEY=VALUE is needed"),
    ("train mitigation=liminal,projection", "-m is needed, which trains"),
    ("train model.hidden=12,8", "a list is written model.hidden=[12,8]"),
    ("train seed=0,1,2", "seed=0,1,2: several values: -m is needed"),
    # A group given twice.
    ("train mitigation=liminal mitigation=l1", "; mitigation=[liminal,l1] takes all of them"),
    ("train probe=[cka] +probe=alignment", "probe=[cka,alignment] takes"),
    ("train -m mitigation=none mitigation=liminal,l1", "mitigation: given twice"),
    ("train -m grid=a distill/inputs=mnist distill/inputs=perlin", "distill/inputs: given"),
    ("train optim=sgd optim=adam", "optim: given twice, sgd and adam: give it once"),
    ("train optim@teacher.optim=sgd optim@teacher.optim=adam", "given twice"),
    ("train sweep=paper sweep=reference", "sweep: given twice"),
    ("train seed=0 seed=1", "seed: given twice, 0 and 1"),
    ("train hydra/launcher=basic hydra/launcher=joblib", "given twice"),
    # The judge.
    ("judge mitigation=limnal", "mitigation=limnal: no such option; did you mean liminal? "),
    ("judge mitigation=nan", "mitigation=nan: no option's name; "),
    ("judge mitigation=liminal,anchor", "one is needed; a list is written mitigation=["),
    ("judge mitigation=liminal mitigation=anchor", "mitigation: given twice"),
    ("judge mitigation liminal", "such as mitigation=liminal"),
    ("judge mitigation=liminal name=foo", "name=foo: no key of a defence, nor of the judge"),
    ("judge sweep=reference", "sweep=reference: no key of a defence"),
    ("judge hydra.run.dir=/x", "hydra.run.dir=/x: no key of a defence"),
    ("judge hydra/launcher=joblib", "hydra/launcher=joblib: no key of a defence"),
    ("judge mitigaton=liminal", "did you mean mitigation? "),
    ("judge entry=limnal", "did you mean liminal? there is anchor, "),
    ("judge mitigation=liminal --threat referenc", "did you mean reference? there is adaptive, "),
    ("judge --serch", "did you mean --search? "),
    ("judge --threat", "--threat: expected one argument; usage: "),
    # Other commands.
    ("subliminal trian", "trian: no such command; did you mean train? there is train, runs, "),
    ("runs lst", "invalid choice: 'lst'; did you mean list? there is list, show, diff"),
    ("runs show", "required: run; usage: "),
    ("runs diff a", "required: b; usage: "),
    ("runs --outputs tba", "tba: no such folder; in .: did you mean tab? "),
    ("report outputs/nothere", "no such folder; in outputs: there is none"),
    ("report --texxt", "--texxt; did you mean --text? "),
    ("reproduce", "required: run; usage: "),
    ("reproduce tab", "tab: no finished run; name a folder "),
    ("reproduce a b", "unrecognized arguments: b; "),
    ("dashboard --projct x", "did you mean --project? "),
    ("sync tba", "did you mean tab? "),
    ("sync", "required: experiments; usage: "),
]


@pytest.mark.parametrize(("line", "told"), CASES)
def test_bad_input_ends_with_one_line(
    line: str,
    told: str,
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    command, *words = shlex.split(line)
    if "=" in command:
        monkeypatch.setenv(*command.split("="))
        command, *words = words
    if command == "train":
        status, _, err = run(*words)
    else:
        monkeypatch.setattr(sys, "argv", [command, *words])
        try:
            status = import_module(f"subliminal.{MODULES[command]}").main()
        except SystemExit as end:
            status = int(end.code or 0)
        err = capfd.readouterr().err
    lines = [each for each in err.splitlines() if each.strip()]
    assert (status, len(lines)) == (2, 1), err
    assert lines[0].startswith("error: ")
    assert told in lines[0]
    assert not [*tmp_path.rglob("seed-*"), *tmp_path.rglob("teachers")]


def wrong(value: object) -> Any:
    """Return a value of a type that no checker would allow."""
    return value


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: sl.load(wrong(["a"])), "load: folders are needed, as in sl.load"),
        (lambda: sl.load(), "load: folders are needed"),
        (
            lambda: sl.train(wrong(["seed=0"])),
            "train: ['seed=0']: overrides are needed, one text each",
        ),
        (
            lambda: sl.compare(wrong([1, 2]), "mitigation"),
            "compare: runs of sl.train or sl.load are needed",
        ),
        (lambda: sl.plot.bars(wrong(())), "plot: runs of sl.train or sl.load are needed, whole: "),
        (
            lambda: sl.plot.dose(wrong(None), "optim.lr"),
            "plot: runs of sl.train or sl.load are needed",
        ),
    ],
)
def test_bad_arguments_in_python_are_one_line(call: Callable[[], object], told: str) -> None:
    with pytest.raises(UserError) as caught:
        call()
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
