import gzip
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.text.lines import read_lines
from attention_zoo.text.readers import read_examples

FIELDS = ["zh", "en"]
PAIRS = [("你好", "hello"), ("再见", "good bye")]
TSV = "zh\ten\n你好\thello\n再见\tgood bye\n"
JSONL = '{"zh": "你好", "en": "hello"}\n{"en": "good bye", "zh": "再见", "more": 1}\n'


def error(message):
    return pytest.raises(UserError, match=re.escape(message))


def test_tsv_by_the_names_of_the_header(write, read):
    name = write("pairs.tsv", "en\tnote\tzh\nhello\t1\t你好\ngood bye\t\t再见\n")
    assert read(name) == PAIRS
    assert read(name, ["en"]) == [("hello",), ("good bye",)]


def test_tsv_by_the_numbers_of_columns(write, read):
    name = write("pairs.tsv", "hello\t1\t你好\ngood bye\t2\t再见\n")
    assert read(name, [3, 1]) == PAIRS


def test_jsonl(write, read):
    assert read(write("pairs.jsonl", JSONL)) == PAIRS


def test_parallel_files(write, read):
    files = {"en": write("train.en", "hello\ngood bye\n"), "zh": write("train.zh", "你好\n再见\n")}
    assert read(files) == PAIRS
    assert read(files, ["en", "zh"]) == [pair[::-1] for pair in PAIRS]


def test_parallel_globs_are_read_in_the_order_of_their_names(write, read):
    for name, text in [("b.en", "good bye\n"), ("a.en", "hello\n"), ("a.zh", "你好\n再见\n")]:
        write(name, text)
    assert read({"en": "*.en*", "zh": "a.zh*"}) == PAIRS


def test_a_glob_reads_its_files_in_the_order_of_their_names(write, read):
    write("b.tsv", "zh\ten\n再见\tgood bye\n")
    write("a.tsv", "zh\ten\n你好\thello\n")
    assert read("?.tsv*") == PAIRS


def test_a_list_reads_its_files_in_its_own_order(write, read):
    last = write("a.tsv", "zh\ten\n再见\tgood bye\n")
    first = write("b.jsonl", '{"zh": "你好", "en": "hello"}\n')
    assert read([first, last]) == PAIRS


def test_the_files_of_a_list_may_order_their_columns_differently(write, read):
    first = write("a.tsv", "zh\ten\n你好\thello\n")
    last = write("b.tsv", "en\tzh\ngood bye\t再见\n")
    assert read([first, last]) == PAIRS


def test_a_path_may_be_a_path_object(write, read, tmp_path):
    assert read(tmp_path / write("pairs.tsv", TSV)) == PAIRS


def test_absolute_paths_pass_over_the_base(write, tmp_path):
    name = write("pairs.tsv", TSV)
    assert read_examples(str(tmp_path / name), FIELDS, base="elsewhere") == PAIRS


def test_brackets_in_the_base_are_no_pattern(tmp_path):
    base = tmp_path / "data[1]"
    base.mkdir()
    (base / "pairs.tsv").write_text(TSV, encoding="utf-8")
    assert read_examples("pairs.tsv", FIELDS, base=base) == PAIRS
    assert read_examples("*.tsv", FIELDS, base=base) == PAIRS


@pytest.mark.parametrize(
    ("name", "content"), [("pairs.tsv", TSV), ("pairs.jsonl", JSONL)], ids=["tsv", "jsonl"]
)
def test_line_ends_and_byte_order_mark(name, content, write, read):
    assert read(write(name, content.replace("\n", "\r\n"))) == PAIRS
    assert read(write(name, "\ufeff" + content)) == PAIRS
    assert read(write(name, content.removesuffix("\n"))) == PAIRS


def test_line_ends_and_byte_order_marks_of_parallel_files(write, read):
    zh, en = write("a.zh", "\ufeff你好\r\n再见\r\n"), write("a.en", "\ufeffhello\ngood bye")
    assert read({"zh": zh, "en": en}) == PAIRS


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_only_newlines_end_lines(separator, write, read):
    text = f"a{separator}b"
    assert read(write("a.tsv", f"zh\ten\n{text}\thello\n")) == [(text, "hello")]
    raw = json.dumps(text, ensure_ascii=False) if separator > "\x80" else json.dumps(text)
    assert read(write("a.jsonl", f'{{"zh": {raw}, "en": "b"}}\n')) == [(text, "b")]
    zh, en = write("a.zh", f"{text}\nc\n"), write("a.en", "b\nd\n")
    assert read({"zh": zh, "en": en}) == [(text, "b"), ("c", "d")]


def test_quotes_and_backslashes_are_characters_like_others_in_tsv(write, read):
    name = write("a.tsv", 'zh\ten\n"a\t"b""c"\n\\n\t\'d\n')
    assert read(name) == [('"a', '"b""c"'), ("\\n", "'d")]


def test_white_space_around_a_field_is_left_out(write, read):
    assert read(write("a.tsv", "zh\ten\n \u3000a b \t c\n")) == [("a b", "c")]
    assert read(write("a.jsonl", '{"zh": " a b\\n", "en": "\\tc"}\n')) == [("a b", "c")]
    assert read({"zh": write("a.zh", " a b \n"), "en": write("a.en", "c\t\n")}) == [("a b", "c")]


def test_a_text_whose_answers_have_places_keeps_its_white_space(write, read):
    answers = '[{"text": "b", "answer_start": 3}]'
    (example,) = read(write("a.jsonl", f'{{"zh": "  a b", "en": {answers}}}\n'))
    assert example == ("  a b", answers)
    with pytest.raises(UserError, match='"zh" is empty but other fields are not'):
        read(write("b.jsonl", f'{{"zh": "  ", "en": {answers}}}\n'))


def test_rows_with_nothing_in_any_field_are_left_out(write, read):
    assert read(write("a.tsv", "zh\ten\n\n你好\thello\n\t\n \t \n再见\tgood bye\n\n")) == PAIRS
    assert read(write("a.jsonl", JSONL.replace("\n", '\n\n{"zh": "", "en": " "}\n'))) == PAIRS
    files = {"zh": write("a.zh", "你好\n\n再见\n"), "en": write("a.en", "hello\n \ngood bye\n")}
    assert read(files) == PAIRS


def test_an_unused_column_may_be_empty(write, read):
    assert read(write("a.tsv", "zh\ten\tnote\na\tb\t\n")) == [("a", "b")]


def test_read_lines(tmp_path, write):
    name = write("a.txt", "\ufeffone\r\n\n three \nfour\ufeff")
    assert read_lines(tmp_path / name) == ["one", "", " three ", "four\ufeff"]
    assert read_lines(tmp_path / write("empty.txt", "")) == []


# Any character but the two that TSV keeps for itself.
fields = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n"), min_size=1)
fields = fields.map(str.strip).filter(bool)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(pairs=st.lists(st.tuples(fields, fields), min_size=1))
def test_what_was_written_is_read(pairs, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    rows = ["zh\ten", *("\t".join(pair) for pair in pairs)]
    (folder / "all.tsv").write_bytes("\n".join(rows).encode())
    assert read_examples("all.tsv", FIELDS, base=folder) == pairs
    rows = [json.dumps(dict(zip(FIELDS, pair, strict=True)), ensure_ascii=False) for pair in pairs]
    (folder / "all.jsonl").write_bytes("\n".join(rows).encode())
    assert read_examples("all.jsonl", FIELDS, base=folder) == pairs


@pytest.mark.parametrize("name", ["none.tsv", "none.jsonl", "none.tsv.gz", "none.jsonl.gz"])
def test_missing_file(name, read, tmp_path):
    with error(f"{tmp_path / name}: No such file or directory"):
        read(name)


def test_missing_parallel_file(write, read, tmp_path, suffix):
    with error(f"{tmp_path}/train.en{suffix}: No such file or directory"):
        read({"zh": write("train.zh", "你好\n"), "en": f"train.en{suffix}"})


def test_a_folder_in_place_of_a_file(tmp_path, read, suffix):
    (tmp_path / f"pairs.tsv{suffix}").mkdir()
    with error(f"{tmp_path}/pairs.tsv{suffix}: Is a directory"):
        read(f"pairs.tsv{suffix}")


@pytest.mark.parametrize("files", ["no*.tsv", ["no*.tsv"], {"zh": "no*.tsv", "en": "no*.tsv"}])
def test_a_glob_that_matches_nothing(files, read, tmp_path):
    with error(f"{tmp_path}/no*.tsv: no files match"):
        read(files)


@pytest.mark.parametrize(
    "name", ["train.xls", "train", "train.gz", "train.tsv.bz2", "train.parquet.gz"]
)
def test_unknown_suffix(name, read, tmp_path):
    accepted = (
        "accepted are .tsv, .csv, .jsonl, .conll, .conllu, .iob, .bio, .txt, .json, .parquet "
        "(all but .parquet also with .gz), and for parallel text files a mapping: "
        "{zh: FILE, en: FILE} in a recipe, --data zh=FILE --data en=FILE on the command line"
    )
    with error(f"{tmp_path / name}: unknown suffix; {accepted}"):
        read(name)


def test_unknown_column_of_tsv(write, read):
    name = write("a.tsv", "zh\tenglish\n你好\thello\n")
    with error(
        f'{name}, line 1: no column "engllish" in the header; did you mean "english"? '
        f"Accepted: english, zh. For a file without a header give column numbers"
    ):
        read(name, ["zh", "engllish"])


@pytest.mark.parametrize("column", [0, 3, -1])
def test_number_of_a_column_that_is_not_there(column, write, read):
    name = write("a.tsv", "你好\thello\n")
    with error(f"{name}, line 1: no column {column}, there are 2"):
        read(name, [1, column])


@pytest.mark.parametrize("row", ["再见", "再见\tgood\tbye", "再见\tgood bye\t"])
def test_uneven_columns_of_tsv(row, write, read):
    name = write("a.tsv", f"zh\ten\n\n你好\thello\n{row}\n")
    with error(f"{name}, line 4: {row.count(chr(9)) + 1} columns, but line 1 has 2"):
        read(name)


def test_rows_of_tsv_empty_on_one_side(write, read):
    name = write("a.tsv", "zh\ten\n你好\thello\n \tgood bye\n")
    with error(f'{name}, line 3: "zh" is empty but other fields are not'):
        read(name)
    name = write("a.tsv", "你好\thello\n再见\t\n")
    with error(f'{name}, line 2: "2" is empty but other fields are not'):
        read(name, [1, 2])


def test_rows_of_jsonl_empty_on_one_side(write, read):
    name = write("a.jsonl", JSONL.replace("good bye", " "))
    with error(f'{name}, line 2: "en" is empty but other fields are not'):
        read(name)


def test_rows_of_parallel_files_empty_on_one_side(write, read):
    zh, en = write("a.zh", "你好\n再见\n"), write("a.en", "hello\n\n")
    with error('line 2: "en" is empty but other fields are not'):
        read({"zh": zh, "en": en})


def test_the_place_in_parallel_globs_is_one_in_the_file_itself(write, read):
    write("1.zh", "你好\n")
    second = write("2.zh", "再见\n\n")
    write("1.en", "hello\n")
    write("2.en", "good bye\nhello\n")
    with error(f"{second}, line 2"):
        read({"zh": "*.zh*", "en": "*.en*"})


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl"])
def test_invalid_utf8_names_byte_and_position(name, write, read):
    content = (TSV if name == "a.tsv" else JSONL).encode()
    name = write(name, content + b"ab\xe9 cd\n")
    with error(f"{name}, line {len(content.splitlines()) + 1}: not UTF-8: byte 0xe9 at position 3"):
        read(name)


def test_invalid_utf8_of_a_parallel_file(write, read):
    zh, en = write("a.zh", b"a\nb\xff\n"), write("a.en", "b\nc\n")
    with error(f"{zh}, line 2: not UTF-8: byte 0xff at position 2 of the line; convert the file"):
        read({"zh": zh, "en": en})


def test_invalid_utf8_after_a_byte_order_mark(write, read):
    name = write("a.tsv", b"\xef\xbb\xbfzh\te\xffn\n")
    with error(f"{name}, line 1: not UTF-8: byte 0xff at position"):
        read(name)


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "a.json", "a.conll", "a.txt", "a.csv"])
@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", "is UTF-16, not UTF-8"),
        ("utf-16-le", "is UTF-16 or binary data, not UTF-8"),
        ("utf-16-be", "is UTF-16 or binary data, not UTF-8"),
        ("utf-32", "is UTF-32, not UTF-8"),
    ],
)
def test_other_encodings_are_named(encoding, message, name, write, read):
    name = write(name, TSV.encode(encoding))
    fields = {"a.json": "qca", "a.txt": "t"}.get(name.removesuffix(".gz"), FIELDS)
    with error(f"{name} {message}; convert it first"):
        read(name, fields)


def test_parallel_files_of_different_length(write, read, tmp_path):
    zh, en = write("a.zh", "你好\n再见\n"), write("a.en", "hello\n")
    with error(
        f"parallel files must have the same number of lines; {tmp_path}/{zh}: 2, {tmp_path}/{en}: 1"
    ):
        read({"zh": zh, "en": en})


def test_a_field_without_a_parallel_file(write, read):
    name = write("a.zh", "你好\n")
    with error('no file for "en"; did you mean "eng"? Accepted: eng, zh'):
        read({"zh": name, "eng": name})


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "zh"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-9], "Compressed file ended"),
        (lambda data: data[:40], "Compressed file ended"),
        (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
        (lambda data: data[:15] + b"\xff" * 25 + data[40:], "Error -3 while decompressing data"),
        (lambda data: b"zh\ten\n", "Not a gzipped file"),
    ],
    ids=["no end", "half", "checksum", "garbage", "not gzip"],
)
def test_damaged_gzip_file(damage, reason, kind, read, tmp_path):
    path = tmp_path / f"a.{kind}.gz"
    line = b'{"zh": "a", "en": "b"}\n' if kind == "jsonl" else b"zh\ten\n"
    path.write_bytes(damage(gzip.compress(line * 1000)))
    place = rf"{re.escape(str(path))}, after line \d+"
    with pytest.raises(UserError, match=f"{place}: damaged gzip file: {reason}"):
        read({"zh": path.name, "en": path.name} if kind == "zh" else path.name)


def test_empty_files(write, read):
    name = write("a.tsv", "")
    with error(f"{name}: the file is empty"):
        read(name)
    name = write("a.jsonl", "")
    with error(f"{name}: contains no examples"):
        read(name)


def test_files_without_an_example(write, read, suffix):
    for name in [
        write("a.tsv", "zh\ten\n"),
        write("b.tsv", "zh\ten\n\t\n"),
        write("a.jsonl", "\n"),
    ]:
        with error(f"{name}: contains no examples"):
            read(name)


@pytest.mark.parametrize("text", ["", "\n\n"], ids=["empty", "empty lines"])
def test_parallel_files_without_an_example(text, write, read):
    zh, en = write("a.zh", text), write("a.en", text)
    with error("contains no examples"):
        read({"zh": zh, "en": en})
