"""What a lexical matcher answers to questions: no learning, no model.

    python recipes/xquad/baseline.py FILE...

The sentence that shares the rarest words with the question, by inverse frequency in all contexts;
of this the longest run of at most five words without a word of the question.
"""

import argparse
import collections
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from attention_zoo.errors import UserError
from attention_zoo.tasks.answer.metrics import squad_exact_match, squad_f1
from attention_zoo.text.readers import read_examples
from attention_zoo.text.scripts import HAN
from attention_zoo.text.sentences import sentences

FIELDS = ("question", "context", "answers")
MOST_WORDS = 5
# A Chinese character is a word.
_WORD = re.compile(rf"[{HAN}]|[^\W{HAN}]+")


def words(text: str) -> list[re.Match[str]]:
    """The words of a text, with their places."""
    return list(_WORD.finditer(text))


def answer(question: str, context: str, weights: Mapping[str, float]) -> str:
    """The longest run of words in the best sentence that are not in the question."""
    asked = {word[0].lower() for word in words(question)}

    def overlap(sentence: str) -> float:
        shared = {word[0].lower() for word in words(sentence)} & asked
        return sum(weights.get(word, 0.0) for word in shared)

    sentence = max(sentences(context), key=overlap)
    best: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for word in words(sentence):
        run = [] if word[0].lower() in asked else [*run, word][-MOST_WORDS:]
        best = run if len(run) > len(best) else best
    return sentence[best[0].start() : best[-1].end()] if best else ""


def inverse_frequencies(contexts: set[str]) -> dict[str, float]:
    """The logarithm of the inverse frequency of each word in the contexts."""
    found = [{word[0].lower() for word in words(context)} for context in contexts]
    counts = collections.Counter(word for each in found for word in each)
    return {word: math.log(len(found) / count) for word, count in counts.items()}


def main() -> None:
    """Print the scores of the matcher on all files together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+")
    examples = read_examples(parser.parse_args().files, FIELDS)
    weights = inverse_frequencies({context for _, context, _ in examples})
    answers = [answer(question, context, weights) for question, context, _ in examples]
    references = [reference for *_, reference in examples]
    print(
        f"{len(examples):,} questions: exact match {squad_exact_match(answers, references):.2f}, "
        f"F1 {squad_f1(answers, references):.2f}"
    )


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
