"""Write questions and answers that are generated from the descriptions of Debian's packages.

    sudo apt-get -o Acquire::Languages=en update      # on Debian; otherwise see descriptions.py
    python recipes/debian_questions/make_data.py [--out DIR] [--seed N]

Nobody asked these questions: a few patterns find what a package is, does, holds, is written in or
based on, and the words that say so are the answer. Each question is also put to a text where no
pattern finds an answer to it, as SQuAD 2.0 does. All questions about a package are in one split.
"""

import argparse
import json
import os
import random
import re
import sys
from pathlib import Path

try:  # started as a script, or imported as part of the package
    sys.path.append(str(Path(__file__).parents[1] / "debian_topics"))
    from descriptions import Description, add_arguments, read_descriptions
except ImportError:
    from attention_zoo.recipes.debian_topics.descriptions import (
        Description,
        add_arguments,
        read_descriptions,
    )

HELD_OUT = 0.05  # of the packages, for test and again for validation
_END = r"(?=[.;:]\s|[.;:]$|\s\(|, (?:which|that|and|but|so)\b)"
# A question about a package of some name, and the pattern whose group is the answer.
PATTERNS = {
    "What is {name}?": rf"\b(?:is|are) ((?:an?|the) [a-z][^.;:(]{{8,90}}?){_END}",
    "What does {name} provide?": rf"\bprovides? ([^.;:(]{{8,90}}?){_END}",
    "What does {name} contain?": rf"\bcontains? ([^.;:(]{{8,90}}?){_END}",
    "What does {name} allow?": rf"\ballows? ([^.;:(]{{8,90}}?){_END}",
    "What is {name} written in?": r"\bwritten (?:entirely |purely )?in ([A-Z][\w+#-]*)",
    "What is {name} based on?": rf"\bbased on ([^.;:(]{{4,60}}?){_END}",
    "What does {name} support?": rf"\bsupports ([^.;:(]{{8,90}}?){_END}",
    "What is {name} used for?": rf"\bused (?:for|to) ([^.;:(]{{8,90}}?){_END}",
}
_LONGEST = 600  # characters of a context


def context_of(description: Description) -> str:
    """Join paragraphs as long as there is room."""
    context = ""
    for paragraph in description.paragraphs:
        if len(context) + len(paragraph) > _LONGEST:
            break
        context = f"{context} {paragraph}".strip()
    return context


def answers_in(context: str) -> dict[str, dict]:
    """Find the answers to the questions; a pattern that fits twice tells nothing."""
    found = {}
    for question, pattern in PATTERNS.items():
        matches = list(re.finditer(pattern, context))
        if len(matches) == 1:
            found[question] = {"text": matches[0][1], "answer_start": matches[0].start(1)}
    return found


def questions_of(description: Description, draw: random.Random) -> dict | None:
    """Make a paragraph of SQuAD: a context and its questions, some of which have no answer."""
    context = context_of(description)
    found = answers_in(context)
    if not found:
        return None
    questions = []
    # Not one that a pattern finds twice: it may well have an answer.
    open_ones = [q for q, pattern in PATTERNS.items() if not re.search(pattern, context)]
    without = draw.sample(open_ones, min(len(open_ones), max(1, len(found) // 2)))
    for question in (*found, *without):
        questions.append(
            {
                "id": f"{description.package}-{len(questions)}",
                "question": question.format(name=description.package),
                "answers": [found[question]] if question in found else [],
                "is_impossible": question not in found,
            }
        )
    return {"context": context, "qas": questions}


def main() -> None:
    """Write train.json, valid.json and test.json, and report what they hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--seed", type=int, default=1)
    add_arguments(parser)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    seen, paragraphs = set(), []
    for description in read_descriptions(arguments):
        if not description.paragraphs or description.paragraphs[0] in seen:
            continue
        seen.add(description.paragraphs[0])
        paragraph = questions_of(description, draw)
        if paragraph:
            paragraphs.append({"title": description.package, "paragraphs": [paragraph]})
    draw.shuffle(paragraphs)
    size = round(HELD_OUT * len(paragraphs))
    splits = {
        "test": paragraphs[:size],
        "valid": paragraphs[size : 2 * size],
        "train": paragraphs[2 * size :],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, part in splits.items():
        temporary = arguments.out / f"{name}.tmp"
        content = {"version": "2.0, generated from descriptions of Debian packages", "data": part}
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        os.replace(temporary, arguments.out / f"{name}.json")
        questions = [q for article in part for q in article["paragraphs"][0]["qas"]]
        without = sum(q["is_impossible"] for q in questions)
        print(
            f"{name}: {len(part):,} packages, {len(questions):,} questions, "
            f"{without:,} without an answer"
        )


if __name__ == "__main__":
    main()
