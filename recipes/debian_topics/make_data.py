"""Write the topics data set from the descriptions of Debian's packages.

    sudo apt-get -o Acquire::Languages=en update      # on Debian; otherwise see descriptions.py
    python recipes/debian_topics/make_data.py [--out DIR] [--seed N]

A line is a package: its section, and its title and first paragraph as text. Sections that stand
for a programming language or a kind of file are left out, since a word gives them away; so are
packages whose first paragraph another one has already. Also written are the documents that
`recipes/pretrain` reads: all descriptions, none of which is in the test or validation data here.
"""

import argparse
import os
import random
from pathlib import Path

try:  # started as a script, or imported as part of the package
    from descriptions import Description, add_arguments, read_descriptions
except ImportError:
    from attention_zoo.recipes.debian_topics.descriptions import (
        Description,
        add_arguments,
        read_descriptions,
    )

_NAMES = "admin database editors fonts games graphics mail math net science sound text video web"
SECTIONS = _NAMES.split()
HELD_OUT = 0.1  # of the examples, for test and again for validation
HEADER = "text\tsection\n"


def examples_of(descriptions: list[Description]) -> list[tuple[str, str]]:
    """Make pairs of text and section; of equal first paragraphs the first counts."""
    seen, examples = set(), []
    for description in descriptions:
        if description.section in SECTIONS and description.paragraphs:
            first = description.paragraphs[0]
            if first not in seen:
                seen.add(first)
                examples.append((text_of(description), description.section))
    return examples


def text_of(description: Description) -> str:
    """Join title and first paragraph."""
    return f"{description.title}. {description.paragraphs[0]}".replace("\t", " ")


def split(examples: list[tuple[str, str]], seed: int) -> dict[str, list[tuple[str, str]]]:
    """Draw test and validation data."""
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    size = round(HELD_OUT * len(shuffled))
    return {
        "test": shuffled[:size],
        "valid": shuffled[size : 2 * size],
        "train": shuffled[2 * size :],
    }


def documents_of(descriptions: list[Description], held_out: set[str]) -> list[str]:
    """Make documents of whole descriptions, a sentence a line, but of none held out."""
    seen, documents = set(), []
    for description in descriptions:
        body = description.paragraphs
        if not body or body[0] in seen:
            continue
        # An equal paragraph under another title is as good as the text itself.
        seen.add(body[0])
        if body[0] in held_out:
            continue
        sentences = [s for part in body for s in part.replace(". ", ".\n").split("\n")]
        documents.append("\n".join([f"{description.title}.", *sentences]))
    return documents


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def main() -> None:
    """Write train.tsv, valid.tsv, test.tsv and the documents, and report what they hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--seed", type=int, default=1)
    add_arguments(parser)
    arguments = parser.parse_args()
    descriptions = read_descriptions(arguments)
    splits = split(examples_of(descriptions), arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, examples in splits.items():
        rows = "".join(f"{text}\t{section}\n" for text, section in examples)
        write(arguments.out / f"{name}.tsv", HEADER + rows)
        print(f"{name}: {len(examples):,} packages")
    texts = {text for name in ("test", "valid") for text, _ in splits[name]}
    held_out = {d.paragraphs[0] for d in descriptions if d.paragraphs and text_of(d) in texts}
    documents = documents_of(descriptions, held_out)
    random.Random(arguments.seed).shuffle(documents)
    size = len(documents) // 50
    for name, part in (("valid", documents[:size]), ("train", documents[size:])):
        write(arguments.out / f"documents.{name}.txt", "\n\n".join(part) + "\n")
        words = sum(len(document.split()) for document in part)
        print(f"documents.{name}: {len(part):,} descriptions, {words:,} words")


if __name__ == "__main__":
    main()
