"""What headlines score that take no learning: the first words, and the heaviest ones.

pip install 'attention-zoo[recipes,rouge]'
python recipes/headlines/baseline.py [--data FILE] [--train FILE] [--words N]
"""

import argparse
import re
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer

from attention_zoo.tasks.seq2seq.rouge import rouge_1, rouge_2, rouge_l
from attention_zoo.text.readers import read_examples

DATA = Path(__file__).with_name("data")
COLUMNS = ("text", "title")


def lead(text: str, words: int) -> str:
    """The first words of a text."""
    return " ".join(text.split()[:words])


def heaviest_window(text: str, words: int, weights: dict[str, float]) -> str:
    """The words in a row, of so many, whose inverse document frequencies have the largest sum."""
    tokens = text.split()
    values = [weights.get(re.sub(r"\W", "", token).lower(), 0.0) for token in tokens]
    starts = range(max(len(tokens) - words, 0) + 1)
    best = max(starts, key=lambda start: sum(values[start : start + words]))
    return " ".join(tokens[best : best + words])


def read_options(
    data: Path, columns: tuple[str, str], words: int
) -> tuple[argparse.Namespace, list[Any], TfidfVectorizer]:
    """The options of the command line, the pairs to score, and TF-IDF of the training texts."""
    parser = argparse.ArgumentParser(description="Score what takes no learning.")
    parser.add_argument("--data", type=Path, default=data / "test.tsv")
    parser.add_argument("--train", type=Path, default=data / "train.tsv")
    parser.add_argument("--words", type=int, default=words)
    options = parser.parse_args()
    pairs = read_examples(options.data, columns)
    vectorizer = TfidfVectorizer().fit(text for text, _ in read_examples(options.train, columns))
    return options, pairs, vectorizer


def print_rouge(references: list[str], answers: dict[str, list[str]]) -> None:
    """Print a line of scores for the answers of each name."""
    for name, texts in answers.items():
        scores = [metric(texts, references) for metric in (rouge_1, rouge_2, rouge_l)]
        print(f"{name}: ROUGE-1 {scores[0]:.2f}, ROUGE-2 {scores[1]:.2f}, ROUGE-L {scores[2]:.2f}")


def main() -> None:
    """Print the scores of both."""
    options, pairs, vectorizer = read_options(DATA, COLUMNS, words=8)
    weights = dict(zip(vectorizer.get_feature_names_out(), vectorizer.idf_, strict=True))
    titles = [title for _, title in pairs]
    heaviest = [heaviest_window(text, options.words, weights) for text, _ in pairs]
    print_rouge(
        titles,
        {
            f"the first {options.words} words": [lead(text, options.words) for text, _ in pairs],
            f"the heaviest {options.words} words in a row": heaviest,
        },
    )


if __name__ == "__main__":
    main()
