"""What summaries score that take no learning: the first words, and the most typical sentence.

pip install 'attention-zoo[recipes,rouge]'
python recipes/summaries/baseline.py [--data FILE] [--train FILE] [--words N]
"""

from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from attention_zoo.recipes.headlines.baseline import lead, print_rouge, read_options
from attention_zoo.text.sentences import sentences

DATA = Path(__file__).with_name("data")
COLUMNS = ("text", "summary")


def typical_sentence(text: str, vectorizer: TfidfVectorizer) -> str:
    """The sentence whose TF-IDF vector has the largest cosine with that of the text."""
    found = sentences(text)
    vectors = vectorizer.transform([text, *found])  # of length 1
    return found[int(np.argmax((vectors[1:] @ vectors[0].T).toarray()))]


def main() -> None:
    """Print the scores of both."""
    options, pairs, vectorizer = read_options(DATA, COLUMNS, words=20)
    typical = [typical_sentence(text, vectorizer) for text, _ in pairs]
    print_rouge(
        [summary for _, summary in pairs],
        {
            f"the first {options.words} words": [lead(text, options.words) for text, _ in pairs],
            "the most typical sentence": typical,
        },
    )


if __name__ == "__main__":
    main()
