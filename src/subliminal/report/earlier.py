"""What an earlier call wrote of sweeps whose outputs are not here any more."""

import re
from collections.abc import Mapping

Cells = dict[str, str]  # a row of a table: heading to content

_HEADING = re.compile(r"^#{2,3} (.*)$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """Return a page's sections by heading (`##` or `###`), each with its heading."""
    starts = list(_HEADING.finditer(text))
    ends = [*(start.start() for start in starts), len(text)][1:]
    return {
        start[1]: text[start.start() : end].strip() for start, end in zip(starts, ends, strict=True)
    }


def rows(text: str, key: str) -> Mapping[str, Cells]:
    """Return the rows of a page's first table, by their content in the column `key`."""
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if not table or key not in table[0]:
        return {}
    found = [dict(zip(table[0], cells, strict=False)) for cells in table[2:]]
    return {row[key]: row for row in found}
