"""SQuAD files: questions, and answers that are spans of a text."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.text.examples import (
    ANSWERS,
    Example,
    Field,
    FilePath,
    Holds,
    location,
    make_example,
)
from attention_zoo.text.json_values import as_text, load_json
from attention_zoo.text.lines import read_text

_FORM = "data[].paragraphs[] with context and qas[], each with question and answers[]"
_NAMES = {dict: "an object", list: "a list", str: "a string"}


def read_squad(path: FilePath, fields: Sequence[Field], holds: Holds) -> list[Example]:
    """Reads questions in the format of SQuAD 1.1 and 2.0.

    Args:
        path: the file.
        fields: three names; they are not looked up.
        holds: not used.

    Returns:
        Examples of question, context, and the answers as JSON: a list of objects with `text` and
        `answer_start`, empty for unanswerable questions.

    Raises:
        UserError: if the file is not in that format, or the context does not contain an answer at
            its `answer_start`.
    """
    require_fields(path, fields, 3, "question, context and answers")
    text = read_text(path)
    try:
        content = load_json(text)
    except UserError as error:
        hint = (
            "; files with one object per line are .jsonl" if text.lstrip().startswith("{") else ""
        )
        raise UserError(f"{path}: {error}{hint}") from error
    examples: list[Example] = []
    for article, at in _items(path, content, "data"):
        for paragraph, inner in _items(path, article, "paragraphs", at):
            context = _get(path, paragraph, "context", str, inner)
            for question, innermost in _items(path, paragraph, "qas", inner):
                values = _question(path, question, context, innermost)
                position = f"question {question.get('id', values[0])!r}"
                examples += make_example(values, fields, {fields[2]: ANSWERS}, path, position)
    return examples


def _question(path: FilePath, question: Any, context: str, at: str) -> tuple[str, str, str]:
    text = _get(path, question, "question", str, at).strip()
    if question.get("is_impossible"):
        return text, context, "[]"
    if "answers" not in question:
        raise _invalid(path, f"{at}.answers is missing")
    try:
        answers = parse_answers(as_text(question["answers"], ANSWERS))
        for answer in answers:
            check_answer(answer, context)
    except UserError as error:
        where = location(path, f"question {question.get('id', text)!r}")
        raise UserError(f"{where}: {error}") from error
    kept = [{"text": text, "answer_start": start} for text, start in answers]
    return text, context, json.dumps(kept, ensure_ascii=False)


def _items(path: FilePath, record: Any, key: str, at: str = "") -> Iterator[tuple[Any, str]]:
    """The items of a list under a key, each with its path in the file."""
    for i, item in enumerate(_get(path, record, key, list, at)):
        yield item, f"{at}.{key}[{i}]".lstrip(".")


def _get(path: FilePath, record: Any, key: str, kind: type, at: str) -> Any:
    if not isinstance(record, dict):
        raise _invalid(path, f"{at or 'the whole'} is not an object")
    if not isinstance(record.get(key), kind):
        problem = f"is not {_NAMES[kind]}" if key in record else "is missing"
        raise _invalid(path, f"{at}.{key} {problem}".lstrip("."))
    return record[key]


def _invalid(path: FilePath, problem: str) -> UserError:
    return UserError(f"{path} is not in the format of SQuAD, {_FORM}: {problem}")


def parse_answers(text: str) -> list[tuple[str, int]]:
    """The answers of an example as pairs of text and offset of its first character.

    Args:
        text: JSON, a list of objects with `text` and `answer_start`.

    Raises:
        UserError: if it is anything else.

    Example:
        >>> parse_answers('[{"text": "Ada", "answer_start": 0}]')
        [('Ada', 0)]
    """
    try:
        answers = load_json(text)
    except UserError:
        answers = None
    pairs = [_pair(answer) for answer in answers] if isinstance(answers, list) else [None]
    valid = [pair for pair in pairs if pair is not None]
    if len(valid) < len(pairs):
        raise UserError(
            'answers must be a JSON list of {"text": ..., "answer_start": ...}, where answer_start '
            f"counts characters from 0; received {text[:200]!r}"
        )
    return valid


def _pair(answer: Any) -> tuple[str, int] | None:
    """Text and offset of an answer; None if it is not one."""
    if not isinstance(answer, dict):
        return None
    text, start = answer.get("text"), answer.get("answer_start")
    # Not isinstance: true is an int too.
    if isinstance(text, str) and type(start) is int and start >= 0:
        return text, start
    return None


def check_answer(answer: tuple[str, int], context: str) -> None:
    """Checks that the context contains an answer at its offset.

    Args:
        answer: a pair, see `parse_answers`.
        context: the text.

    Raises:
        UserError: if it does not.
    """
    text, start = answer
    actual = context[start : start + len(text)]
    if actual != text:
        raise UserError(f"the context has {actual!r} at character {start}, not the answer {text!r}")


def require_fields(path: FilePath, fields: Sequence[Field], count: int, content: str) -> None:
    """Checks the number of fields that are read from a file whose columns have no names.

    Raises:
        UserError: if the file has another number of columns.
    """
    if len(fields) != count:
        raise UserError(
            f"{path} contains {content}, {count} column{'s' * (count > 1)}; "
            f"{len(fields)} requested: {', '.join(map(str, fields))}"
        )
