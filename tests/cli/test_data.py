"""Data on the command line: files of `evaluate`, lines of `predict`."""

import io
import json
import re
import sys

import pytest

from attention_zoo.commands import answering
from attention_zoo.errors import UserError
from attention_zoo.predicting import predict_lines
from attention_zoo.tasks.engine import Reader
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text import lines
from attention_zoo.text.character_tokenizer import CharacterTokenizer


class Echo(Seq2Seq):
    """A task that answers with what it was asked, in capitals."""

    metrics = ("exact_match",)

    def __init__(self, fields=("zh", "en")):
        super().__init__(Reader(), CharacterTokenizer("ab"), None, 9, 9, fields=fields)

    def __call__(self, texts):
        return [text.upper() for text in texts]

    def sides(self, examples):
        return []

    def input_sides(self, texts):
        return []

    def predict(self, texts):
        return texts


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """`attention-zoo evaluate` without a run, in a folder with files; gives what it prints."""
    monkeypatch.setattr(answering, "_load", lambda source: Echo())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.zh").write_text("a\nb\n")
    (tmp_path / "a.en").write_text("A\nc\n")
    (tmp_path / "a.tsv").write_text("zh\ten\na\tA\n")

    def run(*data):
        answering.evaluate("run", data=list(data), json_=True)
        result = json.loads(capsys.readouterr().out)
        return result["metrics"]["exact_match"], result["examples"]

    return run


def test_files_to_evaluate_on(evaluate, monkeypatch):
    assert evaluate("a.tsv") == (100.0, 1)
    assert evaluate("a.tsv", "a.tsv") == (100.0, 2)
    assert evaluate("zh=a.zh", "en=a.en") == (50.0, 2)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"zh\ten\nb\tB\nb\tb\n")))
    assert evaluate("-") == (50.0, 2)


def test_the_advice_for_parallel_files_is_what_the_command_takes(evaluate):
    with pytest.raises(UserError) as raised:
        evaluate("a.zh")
    options = re.findall(r"--data (\w+)=FILE", str(raised.value))
    assert evaluate(*(f"{name}=a.{name}" for name in options)) == (50.0, 2)
    with pytest.raises(UserError, match='no file for "en"; Accepted: zh'):
        evaluate("zh=a.zh")
    with pytest.raises(UserError, match=r"'a\.tsv' names no field"):
        evaluate("zh=a.zh", "a.tsv")


def predict(content, batch=2, task=None):
    warnings = []
    answers = list(predict_lines(task or Echo(), io.BytesIO(content), batch, {}, warnings.append))
    return answers, warnings


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_line_to_predict_ends_with_a_newline_alone(end):
    content = f"a{end}b\r\n\nc\nd{end}e"
    assert predict(content.encode()) == ([f"a{end}b", "", "c", f"d{end}e"], [])


def test_half_a_character_is_read_as_an_unknown_one():
    answers, warnings = predict("é\n".encode() + "é".encode()[:1] + b"a\nb\n")
    assert answers == ["é", "\ufffda", "b"]
    assert [warning.partition(";")[0] for warning in warnings] == ["line 2 is not UTF-8"]


def test_a_byte_order_mark_before_what_is_to_predict():
    assert predict(b"\xef\xbb\xbfa\nb\n") == (["a", "b"], [])
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        with pytest.raises(UserError, match="the input is UTF-"):
            predict("abc\ndef\n".encode(encoding))


def test_a_line_to_predict_without_an_end(monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 2**20)
    with pytest.raises(UserError, match=r"^line 2 is longer than 1 MiB"):
        predict(b"a\n" + b"a" * (2**20 + 1))


def test_a_device_to_predict(monkeypatch):
    monkeypatch.setattr(answering, "_load", lambda source: Echo())
    with pytest.raises(UserError, match="/dev/zero is a device"):
        answering.predict("run", input_="/dev/zero", batch=2)
