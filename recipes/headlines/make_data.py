"""Write two data sets from the descriptions of Debian's packages: headlines and summaries.

    sudo apt-get -o Acquire::Languages=en update
    python recipes/headlines/make_data.py [--out DIR] [--summaries DIR] [--seed N]

(On other systems than Debian see recipes/debian_topics/descriptions.py.) A headline is the title
of a package, its text the first paragraph of the description. A summary is the first paragraph,
its text the paragraphs after it. Of equal first paragraphs the first package counts. All packages
that are built from one source are in one split, for they resemble each other.
"""

import argparse
import os
import random
from pathlib import Path

from attention_zoo.recipes.debian_topics.descriptions import (
    Description,
    add_arguments,
    read_descriptions,
)

HELD_OUT = {"test": 0.05, "valid": 0.03}  # of the sources
WORDS = {"headlines": (2, 8), "summaries": (8, 20)}  # at least, in the answer and in the text
HERE = Path(__file__).parent

Pair = tuple[str, str]


def unique(descriptions: list[Description]) -> list[Description]:
    """Those with a text, without what another one says already."""
    first = {}
    for description in descriptions:
        if description.paragraphs:
            first.setdefault(description.paragraphs[0].casefold(), description)
    return list(first.values())


def headline(description: Description) -> Pair:
    """First paragraph, and title."""
    return description.paragraphs[0], description.title


def summary(description: Description) -> Pair:
    """All paragraphs but the first, and the first."""
    return " ".join(description.paragraphs[1:]), description.paragraphs[0]


def is_long_enough(pair: Pair, words: tuple[int, int]) -> bool:
    """Whether text and answer have at least so many words."""
    text, answer = pair
    return len(answer.split()) >= words[0] and len(text.split()) >= words[1]


def split(descriptions: list[Description], seed: int) -> dict[str, list[Description]]:
    """Draw sources for test and validation."""
    sources = sorted({description.source for description in descriptions})
    random.Random(seed).shuffle(sources)
    parts, start = {}, 0
    for name, fraction in {**HELD_OUT, "train": 1.0}.items():
        end = min(start + round(fraction * len(sources)), len(sources))
        chosen = set(sources[start:end])
        parts[name] = [each for each in descriptions if each.source in chosen]
        start = end
    return parts


def write(path: Path, pairs: list[Pair], columns: Pair) -> None:
    """Write a file as a whole or not at all."""
    temporary = path.with_suffix(".tmp")
    lines = ["\t".join(text.replace("\t", " ") for text in row) for row in [columns, *pairs]]
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def main() -> None:
    """Write train.tsv, valid.tsv and test.tsv of both, and say how many pairs they hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "data")
    parser.add_argument("--summaries", type=Path, default=HERE.parent / "summaries" / "data")
    parser.add_argument("--seed", type=int, default=1)
    add_arguments(parser)
    arguments = parser.parse_args()
    splits = split(unique(read_descriptions(arguments)), arguments.seed)
    for kind, folder, pair_of, columns in (
        ("headlines", arguments.out, headline, ("text", "title")),
        ("summaries", arguments.summaries, summary, ("text", "summary")),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in splits.items():
            pairs = [pair_of(each) for each in part]
            pairs = [pair for pair in pairs if is_long_enough(pair, WORDS[kind])]
            write(folder / f"{name}.tsv", pairs, columns)
            print(f"{kind}, {name}.tsv: {len(pairs):,} packages")


if __name__ == "__main__":
    main()
