"""Write the headlines data set from the descriptions of Debian's packages.

    sudo apt-get -o Acquire::Languages=en update
    python recipes/headlines/make_data.py [--out DIR] [--seed N]

(On other systems than Debian see recipes/debian_topics/descriptions.py.) A headline is the title
of a package, its text the first paragraph of the description. Of equal first paragraphs the first
package counts. All packages that are built from one source are in one split, for they resemble
each other.
"""

import argparse
import random
from pathlib import Path

from attention_zoo.files import atomic_file
from attention_zoo.recipes.debian_topics.descriptions import (
    Description,
    add_arguments,
    read_descriptions,
)

HELD_OUT = {"test": 0.05, "valid": 0.03}  # of the sources
WORDS = 2, 8  # at least, in the title and in the text
COLUMNS = "text", "title"

Pair = tuple[str, str]


def unique(descriptions: list[Description]) -> list[Description]:
    """Those with a text, without what another one says already."""
    first = {}
    for description in descriptions:
        if description.paragraphs:
            first.setdefault(description.paragraphs[0].casefold(), description)
    return list(first.values())


def pairs_of(descriptions: list[Description]) -> list[Pair]:
    """First paragraph and title of each, if both have enough words."""
    pairs = [(description.paragraphs[0], description.title) for description in descriptions]
    return [
        (text, title)
        for text, title in pairs
        if len(title.split()) >= WORDS[0] and len(text.split()) >= WORDS[1]
    ]


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


def write(path: Path, pairs: list[Pair]) -> None:
    """Write a file as a whole or not at all."""
    lines = ["\t".join(text.replace("\t", " ") for text in row) for row in [COLUMNS, *pairs]]
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write train.tsv, valid.tsv and test.tsv, and say how many pairs they hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--seed", type=int, default=1)
    add_arguments(parser)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    splits = split(unique(read_descriptions(arguments)), arguments.seed)
    for name, part in splits.items():
        pairs = pairs_of(part)
        write(arguments.out / f"{name}.tsv", pairs)
        print(f"{name}.tsv: {len(pairs):,} packages")


if __name__ == "__main__":
    main()
