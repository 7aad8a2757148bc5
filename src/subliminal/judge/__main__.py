"""`python -m subliminal.judge [override …]`: test whether a defence stops subliminal learning.

A defence is any list of overrides of `subliminal.train`. It is tried in the settings of
`conf/threat`. Undefended students, controls and teachers are trained once, and shared by all
defences. Finished runs are kept: the same command resumes an interrupted battery.
"""

import argparse
import sys

from subliminal.config import command, terminal
from subliminal.config.resources import refuse_shadowed, user_path
from subliminal.sweep import signals


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 judged, 1 runs failed, 2 bad input."""
    terminal.settle()
    parser = command.Parser(
        prog="subliminal judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="the defence, e.g. mitigation=liminal")
    parser.add_argument("--entry", help="an entry of defences/, or a file; also entry=NAME")
    parser.add_argument("--all", action="store_true", help="all entries that are not judged yet")
    parser.add_argument("--threat", action="append", default=[], help="try only this setting")
    parser.add_argument("--full", action="store_true", help="all settings, whatever the first show")
    parser.add_argument("--quick", action="store_true", help="a first look that decides nothing")
    parser.add_argument("--search", action="store_true", help="search the attacker's menu")
    parser.add_argument("--dial", action="store_true", help="turn the key that the entry declares")
    parser.add_argument("--track", help="refuse a defence that reads more: blind | aware")
    parser.add_argument("--plan", action="store_true", help="print the plan, train nothing")
    parser.add_argument("--yes", action="store_true", help="start a plan of hours without asking")
    parser.add_argument(
        "--recompute", type=user_path, metavar="CARD", help="make a scorecard.json's card again"
    )
    parser.add_argument("--config-dir", type=user_path, help="folder with your own configs")
    arguments = parser.parse_intermixed_args(argv)
    return command.status(lambda: _judge(arguments))


@signals.stoppable()
def _judge(arguments: argparse.Namespace) -> int:
    if arguments.config_dir is not None:
        refuse_shadowed(arguments.config_dir)
    from subliminal.judge.cli import run  # --help need not wait for torch

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
