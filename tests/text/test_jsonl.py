"""Lines of JSON: which values are text, and what is said of the others."""

import re

import pytest

from attention_zoo.errors import UserError

JSONL = '{"zh": "你好", "en": "hello"}\n{"en": "good bye", "zh": "再见", "more": 1}\n'


def error(message):
    return pytest.raises(UserError, match=re.escape(message))


@pytest.mark.parametrize("line", ['{"zh": "a", "en": "b"', "zh\ten", "{'zh': 'a', 'en': 'b'}"])
def test_a_line_that_is_not_json(line, write, read):
    name = write("a.jsonl", f"{JSONL}{line}\n")
    with error(f"{name}, line 3: not JSON: "):
        read(name)


@pytest.mark.parametrize(
    ("line", "kind"), [('["a", "b"]', "list"), ('"a"', "str"), ("3", "int"), ("null", "NoneType")]
)
def test_json_that_is_not_an_object(line, kind, write, read):
    name = write("a.jsonl", f"{JSONL}\n{line}\n")
    with error(f"{name}, line 4: expected a JSON object, received {kind}"):
        read(name)


def test_missing_key_of_jsonl(write, read):
    name = write("a.jsonl", JSONL + '{"zh": "a", "eng": "b"}\n')
    hint = 'did you mean "eng"? Accepted: eng, zh'
    with error(f'{name}, line 3: the key "en" is missing; {hint}'):
        read(name)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("null", '"en" is null'),
        ('{"en": "b"}', '"en" is an object'),
        ('["b", ["c"]]', '"en" is a list with an item that is a list'),
        ('["b", null]', '"en" is a list with an item that is null'),
        ('["b", {"c": 1}]', '"en" is a list with an item that is an object'),
        ("NaN", '"en" is nan, which is not finite'),
        ("1e400", '"en" is inf, which is not finite'),
        ('[{"text": 1e400}]', '"en" is not a list of answers'),
        ('{"text": ["a"], "answer_start": []}', '"en" is an object of lists of different length'),
    ],
)
def test_a_value_of_jsonl_that_is_no_text(value, problem, write, read):
    name = write("a.jsonl", f'{JSONL}{{"zh": "a", "en": {value}}}\n')
    accepted = "text, a number, true or false, a list of these, or a list of answers"
    with pytest.raises(UserError) as raised:
        read(name)
    message = str(raised.value)
    assert f"{name}, line 3: {problem}" in message
    assert message.endswith(f"; accepted: {accepted}")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("9" * 5000, "not JSON: Exceeds the limit"),
        ("[" * 100_000, "the JSON is nested too deeply"),
        ('{"a":' * 900 + "1" + "}" * 900, '"en" is an object'),
    ],
    ids=["digits", "brackets", "braces"],
)
def test_json_that_is_too_much_for_the_parser(value, problem, write, read):
    name = write("a.jsonl", f'{JSONL}{{"zh": "a", "en": {value}}}\n')
    with error(f"{name}, line 3: {problem}"):
        read(name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("3", "3"),
        ("0.5", "0.5"),
        ("9" * 30, "9" * 30),
        ("true", "true"),
        ("false", "false"),
        ('["b", "c"]', "b c"),
        ('["b", 1, 2.5, true]', "b 1 2.5 true"),
        ('[{"text": "é"}]', '[{"text": "é"}]'),
        (
            '{"text": ["a", "b"], "answer_start": [0, 2]}',
            '[{"text": "a", "answer_start": 0}, {"text": "b", "answer_start": 2}]',
        ),
        ('{"text": [], "answer_start": []}', "[]"),
    ],
)
def test_numbers_words_and_objects_of_jsonl(value, text, write, read):
    name = write("a.jsonl", f'{{"zh": "a", "en": {value}}}\n')
    assert read(name) == [("a", text)]


def test_half_a_surrogate_pair_of_jsonl_is_no_text(write, read):
    name = write("a.jsonl", JSONL + '{"zh": "a \\ud83d", "en": "b"}\n')
    with error(f"{name}, line 3: "):
        read(name)
