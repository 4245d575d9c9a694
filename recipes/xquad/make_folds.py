"""Divide questions in the format of SQuAD into folds, for cross-validation.

    python recipes/xquad/make_folds.py xquad.en.json [--out DIR] [--folds N] [--seed N]

Writes `fold_0_train.json`, `fold_0_test.json` and so on. All questions about a paragraph are in one
fold. The file may be gzipped.
"""

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file
from attention_zoo.text.json_values import load_json
from attention_zoo.text.lines import read_text

DATA = Path(__file__).with_name("data")


def divide(paragraphs: list[Any], folds: int, seed: int) -> list[list[Any]]:
    """Deal shuffled paragraphs out to folds."""
    shuffled = list(paragraphs)
    random.Random(seed).shuffle(shuffled)
    return [shuffled[start::folds] for start in range(folds)]


def write(path: Path, paragraphs: list[Any]) -> int:
    """Write a file in the format of SQuAD; the number of its questions."""
    content = {"version": "1.1", "data": [{"title": "", "paragraphs": paragraphs}]}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return sum(len(paragraph["qas"]) for paragraph in paragraphs)


def main() -> None:
    """Write the folds, and say how many questions each has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", type=Path)
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    content: Any = load_json(read_text(options.questions))
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise UserError(f'{options.questions}: no SQuAD file, which is {{"data": [...]}}')
    paragraphs = [p for article in content["data"] for p in article["paragraphs"]]
    if not 2 <= options.folds <= len(paragraphs):
        raise UserError(f"--folds must be from 2 to {len(paragraphs)}, received {options.folds}")
    folds = divide(paragraphs, options.folds, options.seed)
    for i, fold in enumerate(folds):
        others = [p for other in folds if other is not fold for p in other]
        counts = [
            write(options.out / f"fold_{i}_{name}.json", part)
            for name, part in (("train", others), ("test", fold))
        ]
        print(f"fold {i}: {counts[0]:,} questions for training, {counts[1]:,} for test")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
