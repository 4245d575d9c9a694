"""Write the captions of Multi30k as tables, from the files of the data set.

    python recipes/multi30k/make_data.py --files DIR [--out DIR]

DIR holds `train.en.gz`, `train.de.gz`, `val.en.gz` and so on (a line a caption), as README.md says;
names may have a prefix such as `multi30k.`, and the files may be unpacked.
"""

import argparse
import gzip
from pathlib import Path

from attention_zoo.files import atomic_file

SPLITS = {
    "train": "train",
    "valid": "val",
    "test": "test_2016_flickr",
    "test_2017": "test_2017_flickr",
    "test_coco": "test_2017_mscoco",
}


def read_captions(folder: Path, name: str) -> list[str]:
    """The lines of a file, white space tidied."""
    found = sorted({*folder.glob(f"*{name}"), *folder.glob(f"*{name}.gz")})
    if len(found) != 1:
        raise SystemExit(f"{folder} has {len(found)} files *{name} or *{name}.gz, expected one")
    content = found[0].read_bytes()
    if found[0].suffix == ".gz":
        content = gzip.decompress(content)
    # Only line feeds end a line.
    return [" ".join(line.split()) for line in content.decode().removesuffix("\n").split("\n")]


def main() -> None:
    """Write a table for each split, and say how many captions it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, required=True, help="folder of the data set's files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, split in SPLITS.items():
        english, german = (read_captions(options.files, f"{split}.{x}") for x in ("en", "de"))
        if len(english) != len(german):
            raise SystemExit(f"{split}: {len(english):,} captions in English, {len(german):,} not")
        rows = [("en", "de"), *zip(english, german, strict=True)]
        path = options.out / f"{name}.tsv"
        with atomic_file(path) as temporary:
            temporary.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")
        print(f"{path.name}: {len(english):,} captions")


if __name__ == "__main__":
    main()
