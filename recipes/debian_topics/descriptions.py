"""The descriptions of Debian's packages, from the lists that apt keeps.

On Debian, Ubuntu and their like `apt-get -o Acquire::Languages=en update` fetches them. On other
systems take the files `main/binary-amd64/Packages.xz` and `main/i18n/Translation-en.xz` of a
release from any mirror, and name them to the scripts by `--packages` and `--translations`.
"""

import argparse
import bz2
import gzip
import lzma
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LISTS = Path("/var/lib/apt/lists")
_OPENERS = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}


class Description(NamedTuple):
    """What Debian says of a package: paragraphs are lines without breaks."""

    package: str
    section: str
    title: str
    paragraphs: tuple[str, ...]
    source: str = ""  # the package from whose source this one is built


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the lists are."""
    for name, what in (("packages", "Packages"), ("translations", "Translation-en")):
        parser.add_argument(
            f"--{name}",
            type=Path,
            nargs="*",
            help=f"files {what}, plain, .xz, .gz or .bz2; those of apt when omitted",
        )


def read_descriptions(arguments: argparse.Namespace) -> list[Description]:
    """Read the packages of all lists, each name once, in alphabetical order."""
    packages = arguments.packages or sorted(LISTS.glob("*_main_*Packages*"))
    translations = arguments.translations or sorted(LISTS.glob("*_main_*Translation-en*"))
    if not packages or not translations:
        sys.exit(
            f"no lists of packages and descriptions in {LISTS}; run\n"
            "    sudo apt-get -o Acquire::Languages=en update\n"
            "or name files by --packages and --translations (see descriptions.py)"
        )
    texts = {}
    for path in translations:
        for entry in parse(read_text(path)):
            texts[entry.get("Description-md5", "")] = entry.get("Description-en", "")
    found = {}
    for path in packages:
        for entry in parse(read_text(path)):
            text = texts.get(entry.get("Description-md5", ""))
            if text and "Section" in entry:
                title, *lines = text.split("\n")
                section = entry["Section"].rsplit("/", 1)[-1]
                name = entry["Package"]
                source = entry.get("Source", name).split()[0]
                text = paragraphs_of(lines)
                found[name] = Description(name, section, title.strip(), text, source)
    return [found[name] for name in sorted(found)]


def read_text(path: Path) -> str:
    """Read a list, however it is packed."""
    if path.suffix == ".lz4":  # Python has no reader of these, apt has
        command = ["/usr/lib/apt/apt-helper", "cat-file", str(path)]
        return subprocess.run(command, check=True, capture_output=True).stdout.decode()
    with _OPENERS.get(path.suffix, open)(path, "rb") as file:
        return file.read().decode()


def parse(text: str) -> list[dict[str, str]]:
    """Read the entries of a control file; lines that go on with a field keep their breaks."""
    entries = []
    for block in text.split("\n\n"):
        entry: dict[str, str] = {}
        name = ""
        for line in block.split("\n"):
            if line.startswith((" ", "\t")):
                entry[name] += "\n" + line[1:]
            elif ":" in line:
                name, value = line.split(":", 1)
                entry[name] = value.strip()
        if entry:
            entries.append(entry)
    return entries


def paragraphs_of(lines: list[str]) -> tuple[str, ...]:
    """Join the lines of each paragraph; a line with a dot alone separates two."""
    text = "\n".join("" if line.strip() == "." else line.strip() for line in lines)
    joined = (re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n{2,}", text))
    return tuple(part for part in joined if part)
