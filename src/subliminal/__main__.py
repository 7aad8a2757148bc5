"""`subliminal COMMAND …`, also `python -m subliminal COMMAND …`: every command of the package.

commands:
  train      train the seeds of one or several configs
  runs       list what lies under outputs/, show one run, compare two
  report     write tables, figures and pages of finished sweeps
  reproduce  train a finished run again and compare
  audit      ask of a distillation data set whether a clean teacher made it
  judge      test whether a defence stops subliminal learning
  dashboard  publish the W&B workspace and report
  sync       upload what W&B lacks

`subliminal COMMAND --help` describes one. `subliminal --install-completion [bash|zsh|fish]` makes
the Tab key complete commands, options and keys.
"""

import sys
from importlib import import_module

from subliminal.config import terminal
from subliminal.errors import there_is

# Only the command's own module is imported, so that `--help` stays fast.
_MODULES = {
    "train": "commands.train",
    "runs": "commands.runs",
    "report": "report.__main__",
    "reproduce": "commands.reproduce",
    "audit": "commands.audit",
    "judge": "judge.__main__",
    "dashboard": "commands.dashboard",
    "sync": "trackers.sync",
}


def main() -> int | None:
    """Run the command that the first argument names; return its exit status."""
    terminal.settle()
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(__doc__, end="")
        return 0
    if name in ("--complete", "--install-completion"):
        from subliminal.config import command, completion

        answer = completion.replies if name == "--complete" else completion.install
        return command.status(lambda: print(*answer(*rest), sep="\n"))
    if name not in _MODULES:
        terminal.error(f"{name}: no such command; {there_is(name, _MODULES)}")
        return 2
    del sys.argv[1]
    status: int | None = import_module(f"subliminal.{_MODULES[name]}").main()
    return status


if __name__ == "__main__":
    sys.exit(main())
