"""One row for each claim, however many conditions it was tested in."""

from pathlib import Path

import glance
import polars as pl

VERDICTS = {
    "paper2026/Some_sweep": pl.DataFrame(
        [
            ("It learns", "+0.30 [+0.10, +0.50]", "holds"),
            ("It unlearns", "-0.20 [-0.30, -0.10]", "holds"),
            ("It unlearns", "-0.0072 [-0.1, +0.1]", "undecided"),
            ("It unlearns", "+0.50 [+0.40, +0.60]", "refuted"),
            ("It unlearns", "-1.30 [-1.40, -1.20]", "holds"),
            ("It is new", "+0.01 [+0.00, +0.02]", "undecided (n = 2)"),
            ("It forgets", "-0.5 [-0.6, -0.4]", "refuted"),
            ("It forgets", "-0.7 [-0.8, -0.6]", "refuted"),
        ],
        schema=["claim", "mean [95% CI]", "verdict"],
        orient="row",
    ),
    "bare": pl.DataFrame(),
}


def test_each_claim_has_a_row_with_its_verdicts_and_the_range_of_its_means() -> None:
    found = glance.claims(VERDICTS).rows()
    link = "[paper2026/Some_sweep](#paper2026some_sweep)"
    assert found == [
        (link, "It learns", "holds", "+0.30 [+0.10, +0.50]"),
        (link, "It unlearns", "holds in 2, refuted in 1, undecided in 1", "-1.30 to +0.50"),
        (link, "It is new", "undecided (n = 2)", "+0.01 [+0.00, +0.02]"),
        (link, "It forgets", "refuted in all 2", "-0.7 to -0.5"),
    ]


def test_verdicts_are_counted() -> None:
    assert glance.tally(VERDICTS["paper2026/Some_sweep"]) == "3 hold, 3 refuted, 2 undecided"
    assert glance.tally(VERDICTS["bare"]) == "none declared"


def test_the_page_counts_the_claims_and_lists_those_that_do_not_hold(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, sweep in (("results", "paper"), ("related", "questions/width")):
        table = VERDICTS["paper2026/Some_sweep"].select(pl.lit(sweep).alias("sweep"), pl.all())
        table = table.with_columns(pl.col("claim").replace("It forgets", "… and forgets"))
        (tmp_path / "data" / f"{name}_claims.csv").write_text(table.write_csv())
    glance.write(tmp_path)
    text = (tmp_path / "claims.md").read_text()
    assert "| [paper](results.md#paper) | 4 | 1 | 1 | 1 | 1 |" in text
    assert "| [Open questions](related.md#open-questions) | 4 | 1 | 1 | 1 | 1 |" in text
    refuted, others = text.split("## Refuted")[1].split("## Undecided or mixed")
    link = "[questions/width](related.md#questionswidth)"
    assert f"| {link} | It is new … and forgets | refuted in all 2 | −0.7 to −0.5 |" in refuted
    assert others.count("| It unlearns |") == others.count("| It is new | undecided") == 2
