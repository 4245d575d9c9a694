"""Formats that a kind of task has for itself, and how documents become segments."""

import gzip
import json

import pytest

from attention_zoo.errors import UserError
from attention_zoo.text.documents import packed_segments, segment_pairs
from attention_zoo.text.readers import read_examples


def write(path, text):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return str(path)


def squad(*questions, context="Ada wrote code."):
    return json.dumps({"data": [{"paragraphs": [{"context": context, "qas": list(questions)}]}]})


def test_squad(tmp_path):
    text = squad(
        {"id": "1", "question": " Who? ", "answers": [{"text": "Ada", "answer_start": 0}]},
        {
            "id": "2",
            "question": "When?",
            "answers": [],
            "is_impossible": True,
            "plausible_answers": [{"text": "code", "answer_start": 10}],
        },
    )
    found = read_examples(write(tmp_path / "a.json", text), ["question", "context", "answers"])
    assert found == [
        ("Who?", "Ada wrote code.", '[{"text": "Ada", "answer_start": 0}]'),
        ("When?", "Ada wrote code.", "[]"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"data": [{}]}', "is not in the format of SQuAD"),
        (
            squad({"id": "7", "question": "?", "answers": [{"text": "Ada", "answer_start": 1}]}),
            "question '7': the context has 'da ' at character 1, not the answer 'Ada'",
        ),
        ("[" * 100_000, "the JSON is nested too deeply"),
        ('{"a": 1}\n{"a": 2}\n', "files with one object per line are .jsonl"),
        ("[1]", "the whole is not an object"),
        ('{"data": 3}', "data is not a list"),
        ('{"data": [{"paragraphs": {}}]}', r"data\[0\].paragraphs is not a list"),
        (squad(7), r"data\[0\].paragraphs\[0\].qas\[0\] is not an object"),
        (squad({"question": None}), r"qas\[0\].question is not a string"),
        (squad({"question": "?"}), r"qas\[0\].answers is missing"),
        (squad(context=None), r"data\[0\].paragraphs\[0\].context is not a string"),
        (squad({"question": "?", "answers": "Ada"}), r"question '\?': answers must be a JSON list"),
        (squad({"question": "a \ud800", "answers": []}), "unpaired surrogate"),
        (squad({"question": "?", "answers": []}, context="a \ud800"), "unpaired surrogate"),
    ],
)
def test_mistakes_in_squad(text, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read_examples(write(tmp_path / "a.json", text), ["question", "context", "answers"])


@pytest.mark.parametrize("start", ["x", "0", 0.0, -3, True, None, [0], 1e400])
def test_where_an_answer_begins_is_a_number_of_characters(start, tmp_path):
    # -3 is where it begins for Python.
    question = {"question": "?", "answers": [{"text": "Ada", "answer_start": start}]}
    path = write(tmp_path / "a.json", squad(question, context="Ada"))
    with pytest.raises(
        UserError, match=r"question '\?': (answers must be|is not a list of answers)"
    ):
        read_examples(path, ["question", "context", "answers"])


def test_answers_of_squad_may_be_lists_by_name(tmp_path):
    question = {"question": "?", "answers": {"text": ["Ada"], "answer_start": [0]}}
    found = read_examples(write(tmp_path / "a.json", squad(question)), ["q", "c", "a"])
    assert found == [("?", "Ada wrote code.", '[{"text": "Ada", "answer_start": 0}]')]
    assert found[0].location == f"{tmp_path / 'a.json'}, question '?'"


def test_documents(tmp_path):
    path = write(tmp_path / "a.txt", "\nOne. \nTwo.\n\n\nThree.\n")
    assert read_examples(path, ["text"]) == [("One.\nTwo.",), ("Three.",)]


def documents(number=40, sentences=12):
    """Sentences whose ids say where they are from: document, sentence, place."""
    return [
        [[1000 * d + 10 * s + i for i in range(1 + (d + s) % 7)] for s in range(sentences)]
        for d in range(number)
    ]


def test_pairs_of_segments():
    pairs = segment_pairs(documents(), max_length=32, seed=1)
    assert len(pairs) > 100
    strangers = 0
    for first, second, is_random in pairs:
        assert first
        assert second
        assert len(first) + len(second) <= 29
        assert {i // 1000 for i in first} == {first[0] // 1000}
        same = {i // 1000 for i in second} == {first[0] // 1000}
        assert same != is_random
        if not is_random:
            assert first[-1] < second[0]
        strangers += is_random
    # Half, and those cut from a single sentence that fills the room.
    assert 0.4 < strangers / len(pairs) < 0.65
    full = sum(len(a) + len(b) >= 25 for a, b, _ in pairs) / len(pairs)
    assert full > 0.6


def test_pairs_depend_on_the_seed_alone():
    assert segment_pairs(documents(), 32, 1) == segment_pairs(documents(), 32, 1)
    assert segment_pairs(documents(), 32, 1) != segment_pairs(documents(), 32, 2)


def test_what_a_stranger_replaced_is_read_later():
    pairs = segment_pairs(documents(), max_length=400, seed=3, short=0.0)
    seen = {i for first, second, _ in pairs for i in (*first, *second)}
    every = {i for document in documents() for sentence in document for i in sentence}
    assert len(every - seen) / len(every) < 0.1


def test_packed_segments_lose_nothing():
    found = packed_segments(documents(3), 12)
    assert [i for ids in found for i in ids] == [i for d in documents(3) for s in d for i in s]
    assert max(map(len, found)) == 10
