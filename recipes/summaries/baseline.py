"""What summaries score that take no learning: the first words, and the most typical sentence.

pip install 'attention-zoo[recipes,rouge]'
python recipes/summaries/baseline.py [--data FILE] [--train FILE] [--words N]
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from attention_zoo.tasks.seq2seq.rouge import rouge_1, rouge_2, rouge_l
from attention_zoo.text.readers import read_examples
from attention_zoo.text.sentences import sentences

DATA = Path(__file__).with_name("data")
COLUMNS = ("text", "summary")


def lead(text: str, words: int) -> str:
    """The first words of a text."""
    return " ".join(text.split()[:words])


def typical_sentence(text: str, vectorizer: TfidfVectorizer) -> str:
    """The sentence whose TF-IDF vector has the largest cosine with that of the text."""
    found = sentences(text)
    vectors = vectorizer.transform([text, *found])  # of length 1
    return found[int(np.argmax((vectors[1:] @ vectors[0].T).toarray()))]


def main() -> None:
    """Print the scores of both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "test.tsv")
    parser.add_argument("--train", type=Path, default=DATA / "train.tsv")
    parser.add_argument("--words", type=int, default=30)
    options = parser.parse_args()
    pairs = read_examples(options.data, COLUMNS)
    vectorizer = TfidfVectorizer().fit(text for text, _ in read_examples(options.train, COLUMNS))
    summaries = [summary for _, summary in pairs]
    for name, answers in (
        (f"the first {options.words} words", [lead(text, options.words) for text, _ in pairs]),
        ("the most typical sentence", [typical_sentence(text, vectorizer) for text, _ in pairs]),
    ):
        scores = [metric(answers, summaries) for metric in (rouge_1, rouge_2, rouge_l)]
        print(f"{name}: ROUGE-1 {scores[0]:.2f}, ROUGE-2 {scores[1]:.2f}, ROUGE-L {scores[2]:.2f}")


if __name__ == "__main__":
    main()
