"""Writes a page with a task's answers to examples that a seed draws, so that nobody chose them.

    python examples/samples.py RUN --data FILE --out PAGE.md [--count 20] [--seed 1] \
        [--attention 3] [--font FILE]

RUN is a run, a task, or the name of a pretrained task. Beside the page it writes pictures of the
attention of the first answers.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import attention_zoo as az
from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file
from attention_zoo.streams import say
from attention_zoo.text.readers import read_examples
from attention_zoo.text.squad import parse_answers

_LONGEST = 400  # characters of a text in the table


def table(rows: Sequence[Sequence[str]]) -> str:
    r"""A table in Markdown; the first row is its head.

    Example:
        >>> print(table([["zh", "en"], ["是|否", "yes | no"]]))
        | zh | en |
        |---|---|
        | 是\|否 | yes \| no |
    """
    lines = ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _cell(text: str) -> str:
    text = " ".join(text.split())
    text = text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + " ..."
    for character in "\\|*_`<[":
        text = text.replace(character, f"\\{character}")
    return text


def main() -> None:
    """Answer, and write the page and its pictures."""
    parser = argparse.ArgumentParser(description="Write a page of answers that a seed draws.")
    parser.add_argument("run")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attention", type=int, default=3, help="so many pictures")
    parser.add_argument("--font", type=Path, help="for characters that matplotlib's font lacks")
    options = parser.parse_args()
    task = az.load(options.run)
    examples = read_examples(options.data, list(task.fields), holds=task.holds)
    drawn = random.Random(options.seed).sample(examples, min(options.count, len(examples)))
    sources, answers, references = task.answers_for(drawn)
    texts = [text if isinstance(text, str) else " / ".join(text) for text in sources]
    if task.kind == "answer":  # the question; its context would fill the page
        texts = [question for question, _ in sources]
        references = [" / ".join(text for text, _ in parse_answers(each)) for each in references]
    columns = (task.fields[0], f"{task.fields[-1]} (reference)", "answer")
    lines = [table([columns, *zip(texts, references, answers, strict=True)])]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(sources[: options.attention], start=1):
        picture = options.out.with_name(f"{options.out.stem}-{number}.png")
        az.explain(task, source).save(picture, options.font, say)
        lines.append(f"![Attention of the answer to example {number}]({picture.name})")
    with atomic_file(options.out) as temporary:
        temporary.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {options.out}: {len(drawn)} of {len(examples):,} examples")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"samples.py: {error}")
