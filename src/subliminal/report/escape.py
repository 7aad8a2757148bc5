"""Names and values as plain text, in Markdown, in LaTeX and in the names of files."""

import re

from subliminal.config.terminal import printable

# What Markdown, with GitHub's additions, takes for its own; a sign inside a word is often none.
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
# What LaTeX would take for its own, and signs that its fonts lack.
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
_LIGATURES = {"--", "-–", "–-", "––", "``", "''", ",,", "!`", "?`"}  # – is written as --
_LAST_LATIN = "\u017f"  # what LaTeX's standard fonts can be expected to have


def markdown(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    escaped = _MARKS.sub(r"\\\g<0>", printable(text))
    return escaped.replace("[", r"\[") if _LINK.search(escaped) else escaped


def markdown_code(text: object) -> str:
    """Return text that Markdown shows as code, on one line."""
    line = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if len(fence) > 1 else ""
    return f"{fence}{room}{line}{room}{fence}"


def latex(text: object) -> str:
    """Return text that LaTeX sets as it is, in a cell of a table too."""
    parts: list[str] = []
    before = ""
    for sign in printable(text):
        # [ or * after the end of a line are its arguments.
        if before + sign in _LIGATURES:
            parts.append("{}")
        if not before and sign in "[*":
            parts.append("{" + sign + "}")
        elif sign in _LATEX:
            parts.append(_LATEX[sign])
        else:
            code = sign.encode("unicode_escape").decode("ascii").removeprefix("\\")
            parts.append(sign if sign <= _LAST_LATIN else rf"\textbackslash{{}}{code}")
        before = sign
    return "".join(parts)


def file_stem(text: str) -> str:
    """Return text in characters fit for a file's name: no folder, no space, not too long."""
    return re.sub(r"[^\w.,=+-]", "_", printable(text))[:100]
