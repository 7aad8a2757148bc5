"""Write docs/reference/: a page for each group of options, an index of them, and the glossary.

`python docs/generate/all_options.py` writes the pages; a test finds what is out of date. What
several options have in common stands once on a page: shared keys, and the texts of a shared class.
"""

import re
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

import glossary

from subliminal.config.groups import options
from subliminal.config.options import Key, Option, describe
from subliminal.config.resources import ROOT

FOLDER = ROOT / "docs" / "reference"
INDEX = """# Options

Each page has a group's options with their keys, types and default values. `group=option` chooses
one; `group.key=value` sets a key, with `.` for each `/` in the group's name. The command line
prints the same: `subliminal train --help distill/inputs=blurred`. [Metrics](metrics.md) lists what
is logged.

| group | options |
| --- | --- |
"""

Kinds = dict[tuple[str, ...], tuple[str, str]]  # what a class does: the option that explains it


def pages() -> dict[str, str]:
    """Return the text of each page by its file's name."""
    found: dict[str, str] = {}
    index, kinds = [INDEX.rstrip()], Kinds()
    for group, files in sorted(options().items()):
        described = [describe(group, name, file) for name, file in files.items()]
        for option in sorted(described, key=lambda o: o.name.split("_")[0] not in o.source.lower()):
            kinds.setdefault(_kind(option), (group, option.name))
        found[page := f"{group.replace('/', '-')}.md"] = "\n\n".join(_page(described, kinds)) + "\n"
        index.append(f"| [`{group}`]({page}) | {', '.join(f'`{name}`' for name in files)} |")
    return {"index.md": "\n".join(index) + "\n", "metrics.md": glossary.page()} | found


def _page(described: list[Option], kinds: Kinds) -> Iterator[str]:
    """Yield the paragraphs of a group's page."""
    group = described[0].group
    yield f"# {group}"
    abouts = {option.about for option in described}
    common = abouts.pop() if len(abouts) == 1 < len(described) else ""
    if common:
        yield common
    explained = [option for option in described if kinds[_kind(option)] == (group, option.name)]
    number = Counter((key.name, key.type, key.about) for o in explained for key in o.keys)
    # Of a name with several meanings the most common one is shared.
    meanings = {what[0]: what for what, n in reversed(number.most_common()) if n > 1}
    shared = set(meanings.values())
    if shared:
        yield "Keys that several options have; each option gives their values:"
        yield "\n".join(
            Key(*what[:2], "…", what[2]).markdown() for what in number if what in shared
        )
    told = {"", common}
    for option in described:
        yield f"## `{group}={option.name}`"
        first = kinds[_kind(option)]
        if first == (group, option.name):
            texts = dict.fromkeys(_texts(option))
            yield from (text for text in texts if text not in told)
            told |= texts.keys()
            yield from _keys(option.keys, shared)
            if option.content:
                yield f"```yaml\n{option.content}\n```"
        else:
            yield from {option.about} - told
            yield _as_in(option, first)


def _texts(option: Option) -> Iterator[str]:
    """Yield the comment of an option's file and its docstrings, but for what says the same."""
    if option.about.partition("(")[0] != option.source.partition("(")[0]:
        yield option.about
    if "\n" in option.source or re.search(r"\d{4}", option.source):  # more than a title
        yield option.source
    yield option.meaning


def _kind(option: Option) -> tuple[str, ...]:
    """Return what options of the same class share; of an option without one, its own name."""
    own = () if option.keys else (option.group, option.name)
    return (option.source, option.meaning, *(key.name + key.about for key in option.keys), *own)


def _as_in(option: Option, first: tuple[str, str]) -> str:
    """Return where an option's keys are explained, and its values."""
    group, name = first
    page = "" if group == option.group else f"{group.replace('/', '-')}.md"
    anchor = f"{group}{name}".replace("/", "")
    values = ", ".join(f"`{key.name} = {key.value}`" for key in option.keys)
    return f"Keys as of [`{group}={name}`]({page}#{anchor}): {values}."


def _keys(keys: tuple[Key, ...], shared: Container[tuple[str, str, str]]) -> Iterator[str]:
    own = [key for key in keys if (key.name, key.type, key.about) not in shared]
    if own:
        yield "\n".join(key.markdown() for key in own)
    if rest := [f"`{key.name} = {key.value}`" for key in keys if key not in own]:
        yield f"{'Also' if own else 'Keys'}: {', '.join(rest)}."


def main(folder: Path = FOLDER) -> None:
    """Write the pages, and remove those of groups that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for file in folder.glob("*.md"):
        if file.name not in written:
            file.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
