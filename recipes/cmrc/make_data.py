"""Write the questions of CMRC 2018 with answers that stand where the file says.

    python recipes/cmrc/make_data.py cmrc2018_dev.json cmrc2018_trial.json [--out DIR]

Some answers in the published files stand a few characters beside their `answer_start`: it becomes
that of the nearest occurrence. Answers that do not occur are left out, and with them questions that
then have none, and questions without a text. The files may be gzipped.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file
from attention_zoo.text.json_values import load_json
from attention_zoo.text.lines import read_text

DATA = Path(__file__).with_name("data")


def placed(context: str, answers: Iterable[Any]) -> list[dict[str, Any]]:
    """Answers at their nearest occurrence, each once."""
    found = {}
    for answer in answers:
        text, given = answer["text"], answer["answer_start"]
        occurrences = re.finditer(f"(?={re.escape(text)})", context) if text else ()
        starts = [match.start() for match in occurrences]
        if starts:
            start = min(starts, key=lambda start: abs(start - given))
            found[text, start] = {"text": text, "answer_start": start}
    return list(found.values())


def repair(content: Any) -> tuple[int, int]:
    """Place the answers of a file; how many questions were kept, and how many were not."""
    kept = dropped = 0
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                question["answers"] = placed(paragraph["context"], question["answers"])
            answered = [q for q in paragraph["qas"] if q["answers"] and q["question"].strip()]
            dropped += len(paragraph["qas"]) - len(answered)
            kept += len(answered)
            paragraph["qas"] = answered
    return kept, dropped


def main() -> None:
    """Write the files under their own names, and say how many questions each has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=DATA)
    options = parser.parse_args()
    for file in options.files:
        content: Any = load_json(read_text(file))
        if not isinstance(content, dict) or not isinstance(content.get("data"), list):
            raise UserError(
                f'{file}: no SQuAD file, which is {{"data": [...]}}; of CMRC 2018 take those in '
                "squad-style-data"
            )
        kept, dropped = repair(content)
        with atomic_file(options.out / file.name.removesuffix(".gz")) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        print(f"{file.name}: {kept:,} questions, {dropped:,} left out")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
