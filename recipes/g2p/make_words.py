"""Write English words and names, for `attention-zoo answer`.

    pip install 'attention-zoo[recipes]'
    python recipes/g2p/make_words.py [--out FILE] [--size large|huge|insane]

It takes Debian's `apt-get` and `dpkg-deb`, and lists of packages that `apt-get update` fetched.

English words are those of SCOWL, as Debian's packages `wamerican-large`, `-huge` and `-insane` have
them; names are those of the United States census of 1990, as the package `names` (PyPI) has them:
much of the pronouncing dictionary is names. Words of the dictionary are not taken out here, but by
`--exclude` of `attention-zoo answer`, so that no answer to a test word is learned.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

import names

from attention_zoo.text.lines import read_lines

DEBIAN_PACKAGE = "wamerican-{size}=2020.12.07-2"
DICTIONARY = "usr/share/dict/american-english-{size}"

_WORD = re.compile(r"[a-z][a-z']+")


def selected(lines: list[str]) -> list[str]:
    """The words of lines that begin with one, in small letters, once each, in order."""
    words = {line.split()[0].lower() for line in lines if line.strip()}
    # Possessives would only repeat their word.
    return sorted(word for word in words if _WORD.fullmatch(word) and not word.endswith("'s"))


def dictionary_lines(size: str = "large") -> list[str]:
    """The words of the Debian package, which is fetched and unpacked, not installed."""
    name = DEBIAN_PACKAGE.format(size=size)
    with tempfile.TemporaryDirectory() as folder:
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name]
        subprocess.run(command, cwd=folder, check=True)
        (package,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package.name, "unpacked"], cwd=folder, check=True)
        return read_lines(Path(folder) / "unpacked" / DICTIONARY.format(size=size))


def name_lines() -> list[str]:
    """Family names and first names: the name and figures about it in each line."""
    folder = Path(names.__file__).parent
    files = sorted(folder.glob("dist.*"))
    return [line for file in files for line in read_lines(file)]


def main() -> None:
    """Write the file as a whole or not at all, and say how many words it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).parent / "data" / "words.txt"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--size", choices=("large", "huge", "insane"), default="large")
    options = parser.parse_args()
    words = selected(dictionary_lines(options.size) + name_lines())
    options.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.out.with_suffix(".tmp")
    temporary.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    os.replace(temporary, options.out)
    print(f"{options.out.name}: {len(words):,} words")


if __name__ == "__main__":
    main()
