"""The mutation tester's parts are there, with tests."""

import mutants


def test_each_part_has_code_and_tests() -> None:
    for part in (*mutants.PARTS, *mutants.ALSO):
        assert (mutants.ROOT / "src" / "subliminal" / part).exists(), part
        for tests in (mutants.tests_of(part), *mutants.ALSO.get(part, [])):
            assert (mutants.ROOT / tests).exists(), tests
