"""Names and values escaped for Markdown, LaTeX and file names."""

import re

from subliminal.config.terminal import printable

# Markup of Markdown with GitHub's additions
_MARKS = re.compile(
    r"""
    \\(?=[!-/:-@\[-`{-~])           # a backslash that would escape
    | [`*|~$]
    | (?<![^\W_])_ | _(?![^\W_])    # not inside a word
    | <(?=[A-Za-z/!?])              # HTML
    | &(?=\#?\w+;)                  # an entity
    | ^[#>]                         # a heading, a quotation
    """,
    re.VERBOSE,
)
_LINK = re.compile(r"\]\(|\]\[|\[\^")
# Markup of LaTeX, and characters that its fonts lack
_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": "$|$",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≥": r"$\ge$",
    "⁴": "$^4$",
    "–": "--",
    "…": r"\ldots{}",
    "<": "$<$",
    ">": "$>$",
}
_MINUS = re.compile(r"(?:(?<=[\s\[])|^)-(?=\.?\d)")
# Between two signs that LaTeX would join; – is written as --
_LIGATURES = re.compile("(?<=[-–])(?=[-–])|(?<=[`!?])(?=`)|(?<=')(?=')|(?<=,)(?=,)")
_LAST_LATIN = "\u017f"  # the last character that LaTeX's standard fonts have


def minus(text: str) -> str:
    """Return a cell with real minus signs, as tables show it; files for programs keep ASCII."""
    return _MINUS.sub("−", text)


def markdown(text: object) -> str:
    """Escape text for Markdown, on one line."""
    escaped = _MARKS.sub(r"\\\g<0>", minus(printable(text)))
    return escaped.replace("[", r"\[") if _LINK.search(escaped) else escaped


def markdown_code(text: object) -> str:
    """Return text as inline code of Markdown, on one line."""
    line = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if len(fence) > 1 else ""
    return f"{fence}{room}{line}{room}{fence}"


def latex(text: object) -> str:
    """Escape text for LaTeX, also for a cell of a table."""
    parts = _LIGATURES.split(minus(printable(text)))
    line = "{}".join("".join(map(_sign, part)) for part in parts)
    # After the end of a row, LaTeX would read [ or * as its arguments.
    return f"{{{line[0]}}}{line[1:]}" if line.startswith(("[", "*")) else line


def _sign(sign: str) -> str:
    code = sign.encode("unicode_escape").decode("ascii").removeprefix("\\")
    return _LATEX.get(sign, sign if sign <= _LAST_LATIN else rf"\textbackslash{{}}{code}")


def file_stem(text: str) -> str:
    """Return text as a file's name: no separator, no space, at most 100 characters."""
    return re.sub(r"[^\w.,=+-]", "_", printable(text))[:100]
