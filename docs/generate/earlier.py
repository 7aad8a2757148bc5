"""Pages of Markdown read back: sections that an earlier call wrote, and their tables."""

import re

from subliminal.report.escape import from_markdown

Cells = dict[str, str]  # a row of a table: heading to content

_HEADING = re.compile(r"^#{2,3} (.*)$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """Return a page's sections by heading (`##` or `###`), each with its heading."""
    starts = list(_HEADING.finditer(text))
    ends = [*(start.start() for start in starts), len(text)][1:]
    return {
        start[1]: text[start.start() : end].strip() for start, end in zip(starts, ends, strict=True)
    }


def table(text: str, column: str) -> list[Cells]:
    """Return the rows of the first table of `text` that has this column; none if none has."""
    headings: list[str] | None = None
    rows: list[Cells] = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("| "):
            if rows:
                break
            headings = None
        elif headings is None:
            headings = _cells(line)
            next(lines, None)  # the rule below the headings
        elif column in headings:
            rows.append(dict(zip(headings, _cells(line), strict=True)))
    return rows


def _cells(line: str) -> list[str]:
    return list(map(from_markdown, line.removeprefix("| ").removesuffix(" |").split(" | ")))
