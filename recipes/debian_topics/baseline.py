"""Print the accuracy of a linear classifier of words, which a network should beat.

    pip install 'attention-zoo[recipes]'
    python recipes/debian_topics/baseline.py [--data DIR]

TF-IDF of words and pairs of words, and logistic regression, of scikit-learn, trained on the same
training data and scored on the same test data; and the share of the most frequent label.
"""

import argparse
import collections
import csv
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression


def read(path: Path) -> tuple[list[str], list[str]]:
    """Read the texts and the labels of a TSV file, its first and last column."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [row[0] for row in rows], [row[-1] for row in rows]


def main() -> None:
    """Train and score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    folder = parser.parse_args().data
    (texts, labels), (test_texts, test_labels) = (
        read(folder / f"{name}.tsv") for name in ("train", "test")
    )
    (most, _) = collections.Counter(labels).most_common(1)[0]
    print(f"always {most}\t{100 * test_labels.count(most) / len(test_labels):.2f}")
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = LogisticRegression(C=10, max_iter=500).fit(words.fit_transform(texts), labels)
    accuracy = model.score(words.transform(test_texts), test_labels)
    print(f"TF-IDF, logistic regression\t{100 * accuracy:.2f}")


if __name__ == "__main__":
    main()
