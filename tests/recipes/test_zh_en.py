"""The shipped sentences are what the script makes of them, and no sentence leaks."""

import importlib.util
import io
import re
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("babel")

FOLDER = Path(__file__).parents[2] / "recipes" / "zh_en"
SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def make_data():
    spec = importlib.util.spec_from_file_location("zh_en_make_data", FOLDER / "make_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def path_of(split):
    return FOLDER / "data" / f"{split}.tsv"


def read(split):
    lines = path_of(split).read_bytes().decode("utf-8").split("\n")
    assert lines[0] == "zh\ten\tsource"
    assert lines[-1] == ""
    return [tuple(line.split("\t")) for line in lines[1:-1]]


@pytest.mark.parametrize("order", [SPLITS, SPLITS[::-1]])
def test_the_script_makes_the_shipped_files_of_their_rows(make_data, tmp_path, order):
    rows = [str(path_of(split)) for split in order]
    make_data.main(["--out", str(tmp_path), "--rows", *rows])
    for split in SPLITS:
        assert (tmp_path / "data" / f"{split}.tsv").read_bytes() == path_of(split).read_bytes()
    assert len(list((tmp_path / "data").iterdir())) == len(SPLITS)


@pytest.mark.parametrize("split", SPLITS)
def test_every_line_has_three_columns_with_text(split):
    for row in read(split):
        assert len(row) == 3
        assert all(column == " ".join(column.split()) != "" for column in row)
        assert re.search("[\u4e00-\u9fff]", row[0])


def test_sizes():
    assert len(read("valid")) == 300
    assert len(read("test")) == 500
    assert len(read("train")) > 5_000


@pytest.mark.parametrize("column", [0, 1])
def test_no_sentence_is_in_two_splits(column):
    sentences = {split: {same(row[column]) for row in read(split)} for split in SPLITS}
    for one, other in [*pairwise(SPLITS), ("train", "test")]:
        assert not sentences[one] & sentences[other]


def same(sentence):
    return re.sub(r"[\W_]+", "", sentence.casefold())


def test_no_pair_is_there_twice():
    pairs = [row[:2] for split in SPLITS for row in read(split)]
    assert len(set(pairs)) == len(pairs)


def test_every_source_has_its_licence_and_the_readme_its_numbers():
    rows = {split: read(split) for split in SPLITS}
    readme = (FOLDER / "README.md").read_text("utf-8")
    for source in {row[2] for part in rows.values() for row in part}:
        assert (FOLDER / "LICENSES" / f"{source}.txt").read_text("utf-8").count("Copyright") >= 1
        counts = [sum(row[2] == source for row in rows[split]) for split in SPLITS]
        numbers = " | ".join(f"{count:,}" for count in [*counts, sum(counts)])
        assert f"| `{source}` | {numbers} |" in readme


@pytest.mark.parametrize(
    ("english", "chinese", "expected"),
    [
        ("One file.", "一个文件。", [("One file.", "一个文件。")]),
        (
            "It failed. Try again.",
            "失败。再试。",
            [("It failed.", "失败。"), ("Try again.", "再试。")],
        ),
        ("It failed. Try again.", "失败，再试。", [("It failed. Try again.", "失败，再试。")]),
        ("See e.g. this.", "例如见此。", [("See e.g. this.", "例如见此。")]),
        (
            "-o FILE   write here",
            "-o 文件  写入此处",
            [("-o FILE", "-o 文件"), ("write here", "写入此处")],
        ),
        (
            "First line.\nSecond.",
            "第一行。\n第二行。",
            [("First line.", "第一行。"), ("Second.", "第二行。")],
        ),
        ("a line that\nwraps", "这一行\n换行", [("a line that\nwraps", "这一行\n换行")]),
    ],
)
def test_messages_are_cut_only_where_both_languages_agree(make_data, english, chinese, expected):
    assert make_data.sentences(english, chinese) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" two\u00a0 words\n", "two words"),
        ("- an item", "an item"),
        ("-a is an option", "-a is an option"),
        ("这一行\n换行，\n再换", "这一行换行，再换"),
        ("使用\nCOPY 命令", "使用 COPY 命令"),
    ],
)
def test_white_space_is_normalised(make_data, text, expected):
    assert make_data.normalise(text) == expected


@pytest.mark.parametrize(
    ("english", "chinese", "kept"),
    [
        ("Open the file", "打开文件", True),
        ("Open files", "打开文件", False),
        ("Open the file", "Open", False),
        ("Open the file", "", False),
        ("Open file %s now", "现在打开文件 %s", False),
        ("Open file {0} now", "现在打开文件 {0}", False),
        ("Open <b>this</b> file", "打开<b>此</b>文件", False),
        ("must begin with {", "必须以 { 开头", True),
    ],
)
def test_only_sentences_are_kept(make_data, english, chinese, kept):
    assert bool(make_data.clean([make_data.Row(chinese, english, "x")])) == kept


def test_gettext_catalogues_are_read(make_data):
    from babel.messages import Catalog
    from babel.messages.mofile import write_mo

    catalogue = Catalog(locale="zh_CN")
    catalogue.add("Open the file", "打开文件", context="menu")
    catalogue.add(("One file", "Many files"), ("许多文件",))
    file = io.BytesIO()
    write_mo(file, catalogue)
    messages = set(make_data.gettext_messages(file.getvalue()))
    assert messages == {("Open the file", "打开文件"), ("Many files", "许多文件")}


def test_notes_for_translators_are_cut_off(make_data):
    content = """\ufeff{"contents": {"bundle": {
        "Publish Branch/{Locked=\\"Branch\\"}Do not translate": "发布 Branch",
        "Loading.../Shown while loading": "正在加载…",
        "Open JS/TS files": "打开 JS/TS 文件"
    }}}"""
    assert list(make_data.vscode_messages(content.encode("utf-8"))) == [
        ("Publish Branch", "发布 Branch"),
        ("Loading...", "正在加载…"),
        ("Open JS/TS files", "打开 JS/TS 文件"),
    ]


def test_a_package_with_another_digest_is_refused(make_data, tmp_path):
    package = make_data.PACKAGES[0]
    (tmp_path / package.file).write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256"):
        make_data.obtain(package, tmp_path)
