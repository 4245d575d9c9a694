"""Mistakes in examples that only a task sees name the file and the line they stand in."""

import json
import re

import pytest

from attention_zoo.errors import UserError
from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.loading import load_task
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.text.readers import read_examples
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.train.evaluation import evaluate
from attention_zoo.zoo import Bert, BertClassifier, BertTokenClassifier

TOKENIZER = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b", "c"])
ENCODER = {"vocab_size": 8, "width": 8, "num_blocks": 1, "num_heads": 2, "max_length": 16}


def classify(problem):
    labels = [] if problem == "number" else ["x", "y"]
    return Classify(BertClassifier(len(labels) or 1, ENCODER), TOKENIZER, labels, problem)


def tag(labels=("B-X", "O")):
    model = BertTokenClassifier(len(labels), ENCODER)
    return Tag(model, TOKENIZER, labels, fields=("text", "label"))


def answer():
    return QuestionAnswering(BertTokenClassifier(2, ENCODER), TOKENIZER)


def embed():
    return Embed(Bert(**ENCODER), TOKENIZER, fields=("text", "pair", "label"))


@pytest.fixture
def read(tmp_path):
    """A function that reads the last field of the second of three examples for a task."""

    def read_for(task, last):
        first = dict.fromkeys(task.fields[:-1], "a b")
        good = {"several": "x", "number": "1", "one": "x"}.get(getattr(task, "problem", None))
        good = good or {"tag": "O O", "embed": "0.5", "answer": []}[task.kind]
        rows = [{**first, task.fields[-1]: value} for value in (good, last)]
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_examples(tmp_path / "a.jsonl", task.fields, holds=task.holds)

    return read_for


NOT_THERE = [{"text": "b", "answer_start": 0}]
MISTAKES = [
    (lambda: classify("one"), "z", "unknown label 'z'; accepted: x, y"),
    (lambda: classify("several"), ["x", "z"], "unknown label 'z'; accepted: x, y"),
    (lambda: classify("number"), "z", "label must be a number, received 'z'"),
    (lambda: classify("number"), "nan", "label must be a number, received 'nan'"),
    (lambda: classify("number"), "1e39", "label must be a number, received '1e39'"),
    (tag, "O", "2 words but 1 tags in 'a b'"),
    (tag, "O I-X", "unknown tag 'I-X'; accepted: B-X, O"),
    (embed, "z", "score must be a number, received 'z'"),
    (answer, "z", "answers must be a JSON list"),
    (answer, [{"text": "b"}], "answers must be a JSON list"),
    (answer, NOT_THERE, "the context has 'a' at character 0, not the answer 'b'"),
]


@pytest.mark.parametrize(("make", "last", "message"), MISTAKES)
def test_mistakes_name_their_place(make, last, message, read, tmp_path):
    task = make()
    examples = read(task, last)
    place = f"{tmp_path / 'a.jsonl'}, line 2: "
    with pytest.raises(UserError, match="^" + re.escape(place + message)):
        task.to_ids(examples)
    # The same of examples from nowhere.
    with pytest.raises(UserError, match="^" + re.escape(message)):
        task.to_ids([tuple(example) for example in examples])


@pytest.mark.parametrize(
    ("make", "last", "message"),
    [case for case in MISTAKES if "unknown" not in case[2] and case[1] is not NOT_THERE],
)
def test_mistakes_that_no_metric_can_judge(make, last, message, read, tmp_path):
    task = make()
    examples = read(task, last)
    place = f"{tmp_path / 'a.jsonl'}, line 2: "
    with pytest.raises(UserError, match="^" + re.escape(place + message)):
        evaluate(task, examples)


def test_several_labels_count_in_any_order(read):
    task = classify("several")
    assert task.references(read(task, "y , x")) == ["x", "x,y"]
    assert task.references(read(task, ["z", "y"])) == ["x", "y,z"]
    assert task.references(read(task, [])) == ["x", ""]
    assert task.to_ids(read(task, []))[1][2].tolist() == [0, 0]


def test_the_metric_of_tags_that_are_of_no_entities():
    assert tag().metrics == ("entity_f1", "tag_accuracy")
    assert tag(["B-X", "L-X", "O", "U-X"]).metrics == ("entity_f1", "tag_accuracy")
    assert tag(["NOUN", "O", "VERB"]).metrics == ("tag_accuracy",)


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_examples_with_other_line_ends_are_kept_with_a_task(end, tmp_path):
    task = classify("one")
    task.examples = [(f"a{end}b", "x"), ("c", "y")]
    task.save(tmp_path / "task")
    assert load_task(tmp_path / "task").examples == task.examples


@pytest.mark.parametrize("content", [b"{", b"3\n", b"\xff\n", b'["a", "b"]\n\n'])
def test_damaged_examples_of_a_task(content, tmp_path):
    task = classify("one")
    task.save(tmp_path / "task")
    (tmp_path / "task" / "examples.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"examples\.jsonl"):
        load_task(tmp_path / "task")


def test_a_label_with_a_line_break_is_printed_as_one_line():
    for end in ("\n", "\r\n", "\u2028", "\x85"):
        task = Classify(BertClassifier(1, ENCODER), TOKENIZER, [f"x{end}y"])
        (prediction,) = task.predict(["a"])
        assert prediction.text == f"x{end}y"
        assert prediction.lines == ["x y"]
