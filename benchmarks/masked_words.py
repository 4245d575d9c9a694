"""Masked-word accuracy of a pre-trained run beside what needs no network.

    attention-zoo train recipes/pretrain/recipe.yaml --out runs/pretrained
    python benchmarks/masked_words.py runs/pretrained --data DOCUMENTS

DOCUMENTS are, for example, recipes/debian_topics/data/documents.valid.txt. Prints, in percent of
their masked tokens: how many the model says, how many are the most frequent token ("majority"), and
how many one would get by drawing tokens as often as they occur ("unigram").
"""

import argparse
import collections

import attention_zoo as az


def main():
    """Score the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--data", required=True)
    parser.add_argument("--documents", type=int, default=500)
    arguments = parser.parse_args()
    task = az.load(arguments.run)
    examples = az.read_examples(arguments.data, list(task.fields))[: arguments.documents]
    _, answers, references = task.answers_for(examples)
    counts = collections.Counter(references)
    total = len(references)
    right = sum(a == r for a, r in zip(answers, references, strict=True))
    print(f"masked tokens\t{total:,}")
    print(f"model\t{100 * right / total:.2f}")
    print(f"majority ({counts.most_common(1)[0][0]})\t{100 * max(counts.values()) / total:.2f}")
    print(f"unigram\t{100 * sum((n / total) ** 2 for n in counts.values()):.2f}")


if __name__ == "__main__":
    main()
