"""What is opened as a file of data, and how much of it is read."""

import gzip
import io
import os
import re
import sys

import pytest

from attention_zoo.errors import UserError
from attention_zoo.text import lines
from attention_zoo.text.lines import one_line, read_lines, read_text
from attention_zoo.text.readers import named_files, read_examples

FIELDS = ["zh", "en"]
TSV = "zh\ten\n你好\thello\n"
PAIRS = [("你好", "hello")]
# What `str.splitlines` takes for the end of a line.
OTHER_ENDS = ["\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def error(message):
    return pytest.raises(UserError, match=re.escape(message))


@pytest.mark.parametrize("end", OTHER_ENDS)
def test_other_line_ends_are_characters_of_a_line(end, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(f"a{end}b\r\n{end}c\n\r\r\n".encode())
    assert read_lines(path) == [f"a{end}b", f"{end}c", "\r"]
    assert one_line(f"a{end}b") == "a b"


def test_the_place_of_an_example(tmp_path):
    (tmp_path / "a.tsv").write_text("zh\ten\n\n你好\thello\n", encoding="utf-8")
    (tmp_path / "a.zh").write_text("\n你好\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("\nhello\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('\n{"zh": "你好", "en": "hello"}\n', encoding="utf-8")
    for files, name, line in [
        ("a.tsv", "a.tsv", 3),
        ("a.jsonl", "a.jsonl", 2),
        ({"zh": "a.zh", "en": "a.en"}, "a.zh", 2),
    ]:
        (example,) = read_examples(files, FIELDS, base=tmp_path)
        assert example == PAIRS[0]
        assert example.location == f"{tmp_path / name}, line {line}"


@pytest.mark.parametrize("folder", ["my [v2] data", "a*b", "a?"])
def test_a_path_that_is_there_is_no_pattern(folder, tmp_path):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "[1].tsv").write_text(TSV, encoding="utf-8")
    path = f"{folder}/[1].tsv"
    assert read_examples(path, FIELDS, base=tmp_path) == PAIRS
    assert read_examples(str(tmp_path / path), FIELDS) == PAIRS
    (tmp_path / folder / "1.tsv").write_text(TSV.replace("hello", "hi"), encoding="utf-8")
    assert read_examples("[1].tsv", FIELDS, base=tmp_path / folder) == PAIRS
    (tmp_path / folder / "[1].tsv").unlink()
    assert read_examples("[1].tsv", FIELDS, base=tmp_path / folder) == [("你好", "hi")]


@pytest.mark.parametrize("suffix", [".tsv", ".jsonl", ".json", ".conll", ".tsv.gz"])
def test_a_device_is_not_read(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.symlink_to("/dev/zero")
    with error(f"{path} is a device; give a file, a pipe, or - for standard input"):
        read_examples(str(path), ["a", "b", "c"] if suffix == ".json" else FIELDS)


def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "a.tsv"
    source, sink = os.pipe()
    os.write(sink, TSV.encode())
    os.close(sink)
    path.symlink_to(f"/dev/fd/{source}")  # as a shell names what a command writes
    assert read_examples(str(path), FIELDS) == PAIRS
    os.close(source)


def test_a_pipe_that_nobody_writes_to_is_empty(tmp_path):
    path = tmp_path / "a.tsv"
    os.mkfifo(path)
    with error(f"{path}: the file is empty"):
        read_examples(str(path), FIELDS)


@pytest.mark.parametrize("name", ["a\0b.tsv", "x" * 300 + ".tsv", "a.tsv/b.tsv"])
def test_names_that_no_file_can_have(name, tmp_path):
    (tmp_path / "a.tsv").write_text(TSV, encoding="utf-8")
    with pytest.raises(UserError):
        read_examples(name, FIELDS, base=tmp_path)


@pytest.mark.parametrize(
    ("suffix", "first", "fields"),
    [
        ("tsv", b"a", ["a"]),
        ("csv", b"a", ["a"]),
        ("txt", b"a", ["a"]),
        ("jsonl", b'{"a": "b"}', ["a"]),
        ("conll", b"a N", ["word", "tag"]),
    ],
)
def test_a_line_without_an_end(suffix, first, fields, tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 2**20)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(first + b"\n" + b"a" * (2**20 + 1))
    with error(f"{path}, line 2 is longer than 1 MiB"):
        read_examples(str(path), fields)


def test_json_without_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LARGEST_FILE", 2**20)
    path = tmp_path / "a.json"
    path.write_bytes(b" " * (2**20 + 1))
    with error(f"{path} is larger than 0.000976562 GiB"):
        read_text(path)


@pytest.mark.parametrize("content", [b"\n", b"a", b"a\tb\n"])
@pytest.mark.parametrize("name", ["a.tsv.gz", "a.json.gz"])
def test_a_gzip_bomb_is_read_no_further_than_text_goes(name, content, tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_ALWAYS_ALLOWED", 1000)
    path = tmp_path / name
    path.write_bytes(gzip.compress(content * (2 * 10**6 // len(content))))
    assert path.stat().st_size < 10_000
    with error(f"{path} decompresses to more than 100 times its size, which text never does"):
        read_examples(str(path), ["a", "b", "c"])


def test_a_small_file_may_be_compressed_by_any_factor(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"zh\ten\n" + b"a\tb\n" * 100_000))
    assert len(read_examples(str(path), FIELDS)) == 100_000


def test_a_zero_byte_is_a_character(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"zh\ten\na\0b\tc\n")
    assert read_examples("a.tsv", FIELDS, base=tmp_path) == [("a\0b", "c")]


@pytest.mark.parametrize(
    "content",
    [TSV, '\n {"zh": "你好", "en": "hello"}\n', "\ufeff" + TSV],
    ids=["tsv", "json", "bom"],
)
def test_standard_input_is_tsv_or_jsonl(content, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    (example,) = read_examples("-", FIELDS)
    assert example == PAIRS[0]
    assert example.location == "standard input, line 2"


def test_mistakes_in_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"zh": "a"}\n')))
    with error('standard input, line 1: the key "en" is missing'):
        read_examples("-", FIELDS)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with error("standard input: the file is empty"):
        read_examples("-", FIELDS)


def test_files_of_the_command_line(tmp_path, monkeypatch):
    assert named_files(["a.tsv"], FIELDS) == "a.tsv"
    assert named_files(["a.tsv", "b=c.tsv"], FIELDS) == ["a.tsv", "b=c.tsv"]
    assert named_files(["en=a,b.en", "zh=c=d"], FIELDS) == {"en": "a,b.en", "zh": "c=d"}
    assert named_files(["2=b", "1=a"], [1, 2]) == {1: "a", 2: "b"}
    with error("'a.tsv' names no field but other files do: give zh=FILE en=FILE"):
        named_files(["zh=a.zh", "a.tsv"], FIELDS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en=a.tsv").write_text(TSV, encoding="utf-8")
    assert named_files(["en=a.tsv"], FIELDS) == "en=a.tsv"
