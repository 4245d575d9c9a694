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
from collections.abc import Callable, Iterable
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


def pair_of(description: Description) -> Pair | None:
    """First paragraph and title, if both have enough words."""
    text, title = next(iter(description.paragraphs), ""), description.title
    enough = len(title.split()) >= WORDS[0] and len(text.split()) >= WORDS[1]
    return (text, title) if enough else None


def pairs_of(
    descriptions: Iterable[Description], make_pair: Callable[[Description], Pair | None]
) -> dict[Description, Pair]:
    """The pairs that can be made; of equal texts only the first one's."""
    texts, pairs = set(), {}
    for description in descriptions:
        pair = make_pair(description)
        if pair and pair[0].casefold() not in texts:
            texts.add(pair[0].casefold())
            pairs[description] = pair
    return pairs


def split(pairs: dict[Description, Pair], seed: int) -> dict[str, list[Pair]]:
    """Draw sources for test and validation."""
    sources = sorted({description.source for description in pairs})
    random.Random(seed).shuffle(sources)
    parts, start = {}, 0
    for name, fraction in {**HELD_OUT, "train": 1.0}.items():
        end = min(start + round(fraction * len(sources)), len(sources))
        chosen = set(sources[start:end])
        parts[name] = [pair for each, pair in pairs.items() if each.source in chosen]
        start = end
    return parts


def write(path: Path, columns: Pair, pairs: list[Pair]) -> None:
    """Write a file as a whole or not at all."""
    lines = ["\t".join(text.replace("\t", " ") for text in row) for row in [columns, *pairs]]
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(
    script: str = __file__,
    columns: Pair = COLUMNS,
    make_pair: Callable[[Description], Pair | None] = pair_of,
) -> None:
    """Write train.tsv, valid.tsv and test.tsv, and say how many pairs they hold."""
    parser = argparse.ArgumentParser(description=f"Write {' and '.join(columns)} of packages.")
    parser.add_argument("--out", type=Path, default=Path(script).parent / "data")
    parser.add_argument("--seed", type=int, default=1)
    add_arguments(parser)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    pairs = pairs_of(read_descriptions(arguments), make_pair)
    for name, part in split(pairs, arguments.seed).items():
        write(arguments.out / f"{name}.tsv", columns, part)
        print(f"{name}.tsv: {len(part):,} packages")


if __name__ == "__main__":
    main()
