"""Markdown as this project writes it is read back."""

import earlier
import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from subliminal.report.tables import markdown

WORDS = st.text("abc 0.1-+[],…()·", max_size=9).map(str.strip)
NAMES = st.text("abcxyz/", min_size=1, max_size=9)


@given(
    st.lists(NAMES, min_size=2, max_size=4, unique=True).flatmap(
        lambda names: st.tuples(
            st.just(names), st.lists(st.tuples(*[WORDS] * len(names)), min_size=1, max_size=5)
        )
    )
)
@example((["a", "b"], [("---", "")]))
def test_a_table_is_read_as_it_was_written(given: tuple[list[str], list[tuple[str, ...]]]) -> None:
    names, rows = given
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    other = pl.DataFrame({"OTHER": ["1"], "COLUMN": ["2"]})
    page = f"# A page\n\n{markdown(other)}\n\nWords.\n\n{markdown(table)}\n\nMore.\n"
    assert earlier.table(page, names[-1]) == table.to_dicts()
    assert earlier.table(page, "COLUMN") == other.to_dicts()
    assert earlier.table(page, "ABSENT") == []


@given(st.dictionaries(NAMES, WORDS, max_size=5))
def test_sections_are_found_by_their_headings(written: dict[str, str]) -> None:
    parts = [f"### {name}\n\n{text}".strip() for name, text in written.items()]
    found = earlier.sections("\n\n".join(["# A page", "Its words.", *parts]) + "\n")
    assert found == dict(zip(written, parts, strict=True))
