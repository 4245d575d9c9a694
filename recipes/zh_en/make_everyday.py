"""Write the everyday data set: sentences that people say, in Chinese and in English.

    python recipes/zh_en/make_everyday.py --tatoeba cmn.txt --hsk hsk_sentences_audio-*.whl

writes `everyday/train.tsv`, `valid.tsv` and `test.tsv` beside it. README.md says where both files
come from. The interface sentences in `data/train.tsv` are added to those for training.
"""

import argparse
import gzip
import json
import random
import zipfile
from collections import Counter
from pathlib import Path

from make_data import CJK, Row, key_of, read_rows, write_rows

SIZES = {"valid": 1000, "test": 2000}  # sentences of Tatoeba; the rest is for training
MEMBER = "hsk_sentences_audio/data/sentences.json"
HERE = Path(__file__).parent


def read_tatoeba(path: Path) -> list[Row]:
    """Read a list of sentences for flash cards: English, Chinese and attribution, by tabs."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    rows = []
    for number, line in enumerate(content.decode().splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) != 3:
            raise SystemExit(f"{path}, line {number}: {len(fields)} columns, expected 3")
        rows.append(Row(" ".join(fields[1].split()), " ".join(fields[0].split()), "tatoeba"))
    return rows


def read_hsk(path: Path) -> list[Row]:
    """Read the sentences of the package `hsk-sentences-audio`."""
    with zipfile.ZipFile(path) as archive:
        sentences = json.loads(archive.read(MEMBER))
    return [Row(each["chinese"], each["translation"]["en"], "hsk") for each in sentences]


def split(rows: list[Row], seed: int) -> dict[str, list[Row]]:
    """Hold out rows of Tatoeba neither of whose languages occurs in another row of any source."""
    rows = sorted({row for row in rows if CJK.search(row.zh)})
    english = Counter(key_of(row.en) for row in rows)
    chinese = Counter(key_of(row.zh) for row in rows)
    lonely = [
        row
        for row in rows
        if row.source == "tatoeba" and english[key_of(row.en)] == chinese[key_of(row.zh)] == 1
    ]
    drawn = iter(random.Random(seed).sample(lonely, sum(SIZES.values())))
    splits = {name: sorted(next(drawn) for _ in range(size)) for name, size in SIZES.items()}
    held_out = {row for part in splits.values() for row in part}
    return {"train": [row for row in rows if row not in held_out]} | splits


def main() -> None:
    """Write the three files, and say how many sentences each has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tatoeba", type=Path, required=True, help="cmn.txt, or cmn.txt.gz")
    parser.add_argument("--hsk", type=Path, help="wheel of hsk-sentences-audio; none when omitted")
    parser.add_argument("--out", type=Path, default=HERE / "everyday")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = read_tatoeba(options.tatoeba) + (read_hsk(options.hsk) if options.hsk else [])
    splits = split(rows + read_rows(HERE / "data" / "train.tsv"), options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, part in splits.items():
        write_rows(options.out / f"{name}.tsv", part)
        print(f"{name}.tsv: {len(part):,} sentences")


if __name__ == "__main__":
    main()
