"""Write the sentiment data set from the ground truth that comes with VADER.

    python recipes/sentiment/make_data.py [--sdist FILE] [--out DIR] [--seed N]

The source distribution of the package `vaderSentiment` 3.3.2, which pip downloads unless it is
named by --sdist, holds 4,200 tweets that twenty people rated from -4 to 4 (Hutto and Gilbert
2014). Those whose mean is at least 1 are positive, those whose mean is at most -1 negative, and
the others are left out.
"""

import argparse
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "vaderSentiment==3.3.2"
_INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
_TWEETS = "tweets_GroundTruth.txt"
HELD_OUT = 0.1  # of the tweets, for test and again for validation
HEADER = "text\tsentiment\n"


def download(folder: Path) -> Path:
    """Let pip fetch the source distribution."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-binary", ":all:", "--dest", folder, PACKAGE], check=True)
    (path,) = Path(folder).glob("*.tar.gz")
    return path


def read_tweets(sdist: Path) -> list[tuple[str, float]]:
    """Read tweets and their mean ratings."""
    with tarfile.open(sdist) as outer:
        (member,) = (m for m in outer.getmembers() if m.name.endswith(_INNER))
        packed = outer.extractfile(member).read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as inner:
        (member,) = (m for m in inner.getmembers() if m.name.endswith(f"/{_TWEETS}"))
        lines = inner.extractfile(member).read().decode().split("\n")
    rows = (line.split("\t") for line in lines if line)
    return [(" ".join(text.split()), float(mean)) for _, mean, text in rows]


def label(tweets: list[tuple[str, float]]) -> list[tuple[str, str]]:
    """Keep those that are clearly one or the other, each text once."""
    kept = {}
    for text, mean in tweets:
        if abs(mean) >= 1:
            kept.setdefault(text, "positive" if mean > 0 else "negative")
    return list(kept.items())


def main() -> None:
    """Write train.tsv, valid.tsv and test.tsv, and report what they hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sdist", type=Path, help="vaderSentiment-3.3.2.tar.gz")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        examples = label(read_tweets(arguments.sdist or download(Path(folder))))
    random.Random(arguments.seed).shuffle(examples)
    size = round(HELD_OUT * len(examples))
    splits = {
        "test": examples[:size],
        "valid": examples[size : 2 * size],
        "train": examples[2 * size :],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, part in splits.items():
        temporary = arguments.out / f"{name}.tmp"
        rows = "".join(f"{text}\t{sentiment}\n" for text, sentiment in part)
        temporary.write_text(HEADER + rows, encoding="utf-8")
        os.replace(temporary, arguments.out / f"{name}.tsv")
        positive = sum(sentiment == "positive" for _, sentiment in part)
        print(f"{name}: {len(part):,} tweets, {positive:,} of them positive")


if __name__ == "__main__":
    main()
