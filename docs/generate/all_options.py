"""Write docs/options.md: every option of every group, from its file and its dataclass's docstring.

`python docs/generate/all_options.py` writes the page; a test tells where it is out of date.
"""

from pathlib import Path

from subliminal.config.groups import options
from subliminal.config.options import describe
from subliminal.config.resources import ROOT

PAGE = ROOT / "docs" / "options.md"
HEAD = """# Options

Every option of every group, with its keys, their types and values, and what they may be:
`group=option` chooses one, `group.key=value` sets a key (`/` in a group is `.` there). The command
line prints the same of one: `python -m subliminal.train --help distill/inputs=blurred`. This page
is made of the package's own docstrings by `make options`.
"""


def text() -> str:
    """Return the page."""
    parts = [HEAD]
    for group, files in sorted(options().items()):
        parts.append(f"## {group}\n")
        parts += [
            describe(group, name, file).markdown(heading="### ") for name, file in files.items()
        ]
    return "\n".join(parts)


def main(page: Path = PAGE) -> None:
    """Write the page."""
    page.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
