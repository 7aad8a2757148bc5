"""Names and values come out as they went in, read back by other people's parsers."""

import string
import warnings
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pylatexenc.latex2text import LatexNodes2Text

from subliminal.config.terminal import printable
from subliminal.report import escape
from subliminal.report.escape import minus
from subliminal.report.tables import latex, markdown

ODD = string.punctuation + "a1 \n\té−×±≥⁴–…日"
NAMES = st.text(ODD, max_size=14) | st.text(max_size=10)
WORDS = NAMES.filter(lambda text: printable(text).strip() == printable(text) != "")
HOSTILE = (
    "[layer1] [a](b) ![a](b) [a][b] [^1] <b>a</b> &lt; &amp; a|b `a` *a* **a** _a_ a_b ~~a~~ "
    "$a$ # a \\| \\* <!-- a --> <script>"
)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
@example([(HOSTILE, HOSTILE)])
def test_markdown_shows_the_cells_of_a_table(rows: list[tuple[str, str]]) -> None:
    table = pl.DataFrame(rows, schema=["_a_|b", "c"], orient="row")
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown(table))
    inline = [token for token in tokens if token.type == "inline"]
    assert {inner.type for token in inline for inner in token.children or ()} <= {
        "text",
        "text_special",
    }
    cells = ["".join(inner.content for inner in token.children or ()) for token in inline]
    assert cells == ["_a_|b", "c", *(printable(cell) for row in rows for cell in row)]


@pytest.mark.parametrize("page", ["results.md", "related.md"])
def test_markdown_leaves_ordinary_words_alone(page: str) -> None:
    lines = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8").splitlines()
    cells = [cell for line in lines if line.startswith("| ") for cell in line[2:-2].split(" | ")]
    plain = [cell for cell in cells if not ("`" in cell or "](" in cell)]  # code and links of ours
    assert len(plain) > 100
    assert [cell for cell in plain if escape.markdown(cell) != cell] == []


@given(st.lists(WORDS, min_size=1, max_size=4))
@example(HOSTILE.split(" "))
@example(["--", "-–", "–-––", "---a--", "''", "``", "?`", ",,", "[x]", "*", "\\[a]"])
def test_latex_sets_the_cells_of_a_table(names: list[str]) -> None:
    text = latex(pl.DataFrame({"a_b": names}), "title\n\\bad")
    lines = text.splitlines()
    assert lines[0].startswith("% title\\n")
    assert len(lines) == len(names) + 7
    rows = lines[5:-2]
    for row in rows:  # what may follow \\ or \midrule as its argument
        assert not row.startswith(("[", "*"))
    read = LatexNodes2Text(keep_comments=True, strict_latex_spaces=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [read.latex_to_text(row.removesuffix(r" \\")) for row in rows]
    found = [text.translate({ord("ˆ"): "^", ord("‘"): "`", ord("’"): "'"}) for text in found]
    assert found == [shown(name) for name in names]


def shown(name: str) -> str:
    """Return what LaTeX's standard fonts can show of a name: other signs by their code."""
    known = {**{sign: sign for sign in "×±≥–…"}, "−": "-", "⁴": "^4"}
    return "".join(
        s if s <= "\u017f" else known.get(s) or s.encode("unicode_escape").decode()
        for s in printable(name)
    )


@given(NAMES)
def test_a_files_stem_leads_nowhere_else(text: str) -> None:
    stem = escape.file_stem(text)
    assert "/" not in stem
    assert len(stem) <= 100
    assert Path("x", f"a_{stem}.png").parent == Path("x")


def test_numbers_have_real_minus_signs_and_names_keep_theirs() -> None:
    assert minus("-0.5 [-.7, -3]") == "−0.5 [−.7, −3]"
    assert minus("x-1, sigma=-1, 0-19, - 2") == "x-1, sigma=-1, 0-19, - 2"
