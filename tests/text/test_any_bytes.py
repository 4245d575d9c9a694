"""Whatever stands in a file: either examples come of it, or one message."""

import gzip
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.text.examples import Example
from attention_zoo.text.readers import read_examples

SUFFIXES = [".tsv", ".csv", ".jsonl", ".conll", ".conllu", ".txt", ".json", ".parquet", ".train"]
FIELDS = {1: ["text"], 2: ["text", "label"], 3: ["question", "context", "answers"]}
CONTENTS = ["label", "labels", "words", "answers", None]
KEYS = [*FIELDS[2], *FIELDS[3], "answer_start", "data", "paragraphs", "qas"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
# Pieces that formats are made of, so that much of it is nearly right.
pieces = st.sampled_from(
    [
        *'\t\n\r"#,;-{}[]1 \0\x0b\x1c\x85\u00a0\u2028\u3000\ufeff',
        *("\r\n", '""', '"\n', "text\tlabel\n", "text,label\n", "1\t", "1-2\t", "-DOCSTART-", "O"),
        *("B-X", "# id", "\\ud800", '{"text": ', '"label": "a"}', "null", "1e400", "\t_" * 8),
        *('{"data": [', '{"paragraphs": [', '"answer_start": '),
    ]
)
almost_files = st.lists(pieces | st.text(max_size=3), max_size=20).map("".join)
jsonl = st.lists(json_values.map(json.dumps), max_size=3).map("\n".join)
squad = json_values.map(
    lambda value: json.dumps(
        {
            "data": [
                {"paragraphs": [{"context": "a b", "qas": [{"question": "q", "answers": value}]}]}
            ]
        }
    )
)
contents = (almost_files | jsonl | squad).map(lambda text: text.encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    content=contents | st.binary(max_size=40),
    suffix=st.sampled_from(SUFFIXES),
    packed=st.sampled_from([None, "gzip", "broken gzip"]),
    number=st.sampled_from([1, 2, 3]),
    held=st.sampled_from(CONTENTS),
    by_number=st.booleans(),
)
def test_examples_or_a_message(content, suffix, packed, number, held, by_number, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}{'.gz' if packed else ''}"
    if packed:
        content = gzip.compress(content, mtime=0)
    path.write_bytes(content[: -len(content) // 4] if packed == "broken gzip" else content)
    fields = list(range(1, number + 1)) if by_number else FIELDS[number]
    holds = dict.fromkeys(fields[-1:] if held in ("label", "labels", "answers") else fields, held)
    try:
        examples = read_examples(str(path), fields, holds=holds if held else None)
    except UserError as error:
        assert "any" in str(error)
        return
    assert examples
    for example in examples:
        assert isinstance(example, Example)
        assert len(example) == number
        assert example.location.startswith(str(path))
        assert all(field.encode() or held == "labels" for field in example)
