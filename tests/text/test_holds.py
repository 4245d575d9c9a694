"""What fields hold where it is not text: labels, words, answers."""

import json
import re

import pytest

from attention_zoo.errors import UserError
from attention_zoo.text.readers import read_examples

FIELDS = ["text", "label"]


def error(message):
    return pytest.raises(UserError, match=re.escape(message))


@pytest.fixture
def read_label(tmp_path):
    """A function that reads one example from JSONL and gives its label."""

    def read(label, holds):
        line = json.dumps({"text": "a", "label": label}) + "\n"
        (tmp_path / "a.jsonl").write_text(line, encoding="utf-8")
        ((_, found),) = read_examples(
            "a.jsonl", FIELDS, base=tmp_path, holds={"label": holds} if holds else None
        )
        return found

    return read


@pytest.mark.parametrize(
    ("label", "holds", "text"),
    [
        (["net", "web"], "labels", "net,web"),
        (["net"], "labels", "net"),
        ([], "labels", ""),
        ("", "labels", ""),
        ("net, web", "labels", "net, web"),
        ([1, True], "labels", "1,true"),
        (["net"], "label", "net"),
        (["net web"], "label", "net web"),
        (True, "label", "true"),
        (0, "label", "0"),
        (["B-PER", "O"], "words", "B-PER O"),
        (["New York", "\u3000", "", "a\u00a0b", "\u2028"], "words", "New_York _ _ a_b _"),
        ("B-PER O", "words", "B-PER O"),
        ([], "answers", "[]"),
        ("[]", "answers", "[]"),
        (["net", "web"], None, "net web"),
    ],
)
def test_labels_words_and_answers(label, holds, text, read_label):
    assert read_label(label, holds) == text


@pytest.mark.parametrize(
    ("label", "holds", "problem"),
    [
        (["net", "web"], "label", "is a list of 2, but must be one label"),
        ([], "label", "is a list of 0, but must be one label"),
        ([{"a": 1}], "label", "is a list with an item that is an object"),
        (["a,b"], "labels", "is a list with the label 'a,b': a label must not be empty"),
        (["a", " "], "labels", "is a list with the label ' ': a label must not be empty"),
        (None, "labels", "is null; accepted: text, a number, true or false, or a list of these"),
        ({"a": []}, "labels", "is an object"),
        (["B-PER", None], "words", "is a list with an item that is null"),
        (["Ada"], "answers", "is a list of other values"),
        (3, "answers", "is of the type int"),
        ("", "label", "is empty but other fields are not"),
        ([], "words", "is empty but other fields are not"),
        ("", "answers", "is empty but other fields are not"),
    ],
)
def test_values_that_a_field_cannot_hold(label, holds, problem, read_label):
    with error(f'a.jsonl, line 1: "label" {problem}'):
        read_label(label, holds)


def test_labels_may_be_none_in_every_format(tmp_path):
    def read(files, content=None, **options):
        if content:
            (tmp_path / files).write_text(content, encoding="utf-8")
        return read_examples(files, FIELDS, base=tmp_path, **options)

    none = [("a", ""), ("b", "x, y")]
    (tmp_path / "a.text").write_text("a\n\nb\n", encoding="utf-8")
    (tmp_path / "a.label").write_text("\n\nx, y\n", encoding="utf-8")
    labels = {"holds": {"label": "labels"}}
    assert read("a.tsv", "text\tlabel\na\t\n\t\nb\tx, y\n", **labels) == none
    assert read("a.csv", 'text,label\na,\n,\nb,"x, y"\n', **labels) == none
    assert read({"text": "a.text", "label": "a.label"}, **labels) == none
    with error('a.tsv, line 2: "label" is empty'):
        read("a.tsv", holds={"label": "label"})
    with error('a.tsv, line 2: "text" is empty'):
        read("a.tsv", "text\tlabel\n\tx\n", **labels)


def test_the_white_space_of_a_context_stays_in_every_format(tmp_path):
    fields, holds = ["question", "context", "answers"], {"answers": "answers"}
    answers = '[{"text": "b", "answer_start": 3}]'
    (tmp_path / "a.tsv").write_text(
        "question\tcontext\tanswers\nq\t  a b\t" + answers + "\n", encoding="utf-8"
    )
    assert read_examples("a.tsv", fields, base=tmp_path, holds=holds) == [("q", "  a b", answers)]
