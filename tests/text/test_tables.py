"""TSV with and without quotes, CSV, Parquet."""

import csv
import io
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.text.readers import read_examples

FIELDS = ["text", "label"]


def error(message):
    return pytest.raises(UserError, match=re.escape(message))


@pytest.fixture
def read(tmp_path):
    def read_content(name, content, fields=FIELDS, **options):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_examples(name, fields, base=tmp_path, **options)

    return read_content


def written(rows, **options):
    text = io.StringIO(newline="")
    csv.writer(text, **options).writerows(rows)
    return text.getvalue()


# As pandas writes a table with `sep="\t"`.
ROWS = [("text", "label"), ('He said "hi"', "x"), ("two\nlines", "y"), ("a\ttab", "z"), ("b", "x")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_tsv_that_is_quoted_throughout(quoting, end, read):
    content = written(ROWS, delimiter="\t", lineterminator=end, quoting=quoting)
    examples = read("a.tsv", content)
    assert examples == ROWS[1:]
    assert [example.location.rpartition(" ")[2] for example in examples] == ["2", "3", "5", "6"]


@pytest.mark.parametrize(
    "text",
    [
        '5" disk',
        '"a',
        'a"',
        '"a" b',
        'a "b" c',
        '"Yes."',
        '"',
        '""',
        '"""',
    ],
)
def test_tsv_with_other_quotes_is_read_as_it_is(text, read):
    assert read("a.tsv", f"text\tlabel\nb\tx\n{text}\ty\n") == [("b", "x"), (text, "y")]


def test_one_stray_quote_shows_that_the_others_are_meant_too(read):
    rows = [('"He said ""hi"""', "x"), ('5" disk', "y")]
    content = "".join("\t".join(row) + "\n" for row in [FIELDS, *rows])
    assert read("a.tsv", content) == rows


def test_quotes_where_columns_are_uneven_are_pointed_out(read):
    hint = "if they enclose fields, name the file .csv"
    with pytest.raises(UserError, match=rf"line 3: 1 columns, but line 1 has 2; .*{hint}"):
        read("a.tsv", 'text\tlabel\n5" disk\tx\n"two\nlines"\ty\n')
    with pytest.raises(UserError, match=r"line 2: 1 columns, but line 1 has 2$"):
        read("b.tsv", "text\tlabel\nx\n")


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(delimiter, end, read):
    content = written(ROWS, delimiter=delimiter, lineterminator=end)
    assert read("a.csv", content) == ROWS[1:]
    assert read("a.csv", "\ufeff" + content, ["label"]) == [(row[1],) for row in ROWS[1:]]
    body = written(ROWS[1:], delimiter=delimiter, lineterminator=end)
    assert read("a.csv", body, [2, 1]) == [row[::-1] for row in ROWS[1:]]


def test_a_field_of_csv_may_be_longer_than_the_limit_of_the_module(read):
    limit = csv.field_size_limit()
    ((text, _),) = read("a.csv", f"text,label\n{'a' * (limit + 1)},x\n")
    assert len(text) == limit + 1
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text,label\na,b\n"abc,x\n', "line 3: not CSV: unexpected end of data"),
        ('text,label\n"abc"d,x\n', "line 2: not CSV: ',' expected after '\"'"),
        ("text,label\na\rb,x\n", "line 2: not CSV: new-line character seen in unquoted field"),
        ('text,label\n"a\nb",x,y\n', "line 2: 3 columns, but line 1 has 2"),
        ('text,label\n"a\nb",x\nc\n', "line 4: 1 columns, but line 1 has 2"),
        ("text,lable\na,b\n", 'line 1: no column "label" in the header; did you mean "lable"'),
        ("text,text,label\na,b,c\n", 'line 1: 2 columns are named "text"'),
        ("", "the file is empty"),
        ("text,label\n", "contains no examples"),
        ("text,label\na,\n", 'line 2: "label" is empty but other fields are not'),
    ],
)
def test_mistakes_in_csv(content, message, read):
    with error(message):
        read("a.csv", content)


# Whatever csv writes is read as it was written, but for white space around fields.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1)
texts = texts.map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1))
def test_what_csv_writes_is_read(rows, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    content = written([FIELDS, *rows], lineterminator="\n")
    (folder / "all.csv").write_bytes(content.encode())
    assert read_examples("all.csv", FIELDS, base=folder) == rows
    content = written([FIELDS, *rows], delimiter="\t", lineterminator="\n")
    if "\n" in "".join(map("".join, rows)) or '""' in content:
        (folder / "all.tsv").write_bytes(content.encode())
        assert read_examples("all.tsv", FIELDS, base=folder) == rows


@pytest.fixture
def write_parquet(tmp_path):
    """A function that writes columns as `a.parquet` and gives its name."""
    import pyarrow
    from pyarrow import parquet

    def write(**columns):
        parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
        return "a.parquet"

    return write


def test_parquet(write_parquet, tmp_path):
    name = write_parquet(more=[1.5, 2.5], text=[" a\u2028b ", "c"], label=[["x", "y"], []])
    examples = read_examples(name, FIELDS, base=tmp_path, holds={"label": "labels"})
    assert examples == [("a\u2028b", "x,y"), ("c", "")]
    assert examples[1].location == f"{tmp_path / name}, row 2"
    assert read_examples(name, [2, 1], base=tmp_path) == [("a\u2028b", "1.5"), ("c", "2.5")]


def test_answers_of_parquet_are_those_of_hugging_face(write_parquet, tmp_path):
    name = write_parquet(
        question=["who?", "when?"],
        context=[" Ada did", "today"],
        answers=[{"text": ["Ada"], "answer_start": [1]}, {"text": [], "answer_start": []}],
    )
    fields = ["question", "context", "answers"]
    assert read_examples(name, fields, base=tmp_path, holds={"answers": "answers"}) == [
        ("who?", " Ada did", '[{"text": "Ada", "answer_start": 1}]'),
        ("when?", "today", "[]"),
    ]


def test_mistakes_in_parquet(write_parquet, tmp_path):
    def read(fields=FIELDS):
        return read_examples("a.parquet", fields, base=tmp_path)

    write_parquet(text=["a", None], label=["x", "y"])
    with error('a.parquet, row 2: "text" is null; accepted: text'):
        read()
    with error('no column "lable" in the header; did you mean "label"'):
        read(["text", "lable"])
    write_parquet(text=["a"], label=[b"x"])
    with error('a.parquet, row 1: "label" is of the type bytes'):
        read()
    write_parquet(text=["a"], label=[""])
    with error('a.parquet, row 1: "label" is empty'):
        read()
    write_parquet(text=["a" * 1000], label=["x"])
    path = tmp_path / "a.parquet"
    whole = path.read_bytes()
    for damaged in (b"", b"PAR1", whole[:-20], whole[:4] + b"\xff" * 40 + whole[44:]):
        path.write_bytes(damaged)
        with error("a.parquet is damaged or not a Parquet file: "):
            read()


def test_a_parquet_file_that_holds_far_more_than_its_size(write_parquet, tmp_path, monkeypatch):
    monkeypatch.setattr("attention_zoo.text.lines._ALWAYS_ALLOWED", 1000)
    write_parquet(text=["a" * 1000] * 1000, label=["x"] * 1000)
    with error("decompresses to more than 100 times its size"):
        read_examples("a.parquet", FIELDS, base=tmp_path)


def test_parquet_without_pyarrow_names_the_extra(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with error("Parquet needs pyarrow: pip install 'attention-zoo[parquet]'"):
        read("a.parquet", b"PAR1")
