"""The format of SQuAD: questions, and answers that are parts of a text."""

import json

from attention_zoo.errors import UserError
from attention_zoo.text.examples import ANSWERS, make_example, place
from attention_zoo.text.json_values import as_text, load_json
from attention_zoo.text.lines import read_text

_FORM = "data[].paragraphs[] with context and qas[], each with question and answers[]"
_NAMES = {dict: "an object", list: "a list", str: "a string"}


def read_squad(path, fields, holds):
    """Reads questions in the format of SQuAD 1.1 and 2.0.

    Args:
        path: of the file.
        fields: three names; they are not looked up.
        holds: not used.

    Returns:
        A list of `Example`: question, context, and the answers as JSON, a list of objects
        with `text` and `answer_start`; empty for questions that have none.

    Raises:
        UserError: if it is not JSON of that form, or an answer is not where it is said to
            be.
    """
    require_fields(path, fields, 3, "question, context and answers")
    text = read_text(path)
    try:
        content = load_json(text)
    except UserError as error:
        hint = "; one object a line is for .jsonl" if text.lstrip().startswith("{") else ""
        raise UserError(f"{path}: {error}{hint}") from error
    examples = []
    for article, at in _items(path, content, "data"):
        for paragraph, inner in _items(path, article, "paragraphs", at):
            context = _get(path, paragraph, "context", str, inner)
            for question, innermost in _items(path, paragraph, "qas", inner):
                values = _question(path, question, context, innermost)
                spot = f"question {question.get('id', values[0])!r}"
                examples += make_example(values, fields, {fields[2]: ANSWERS}, path, spot)
    return examples


def _question(path, question, context, at):
    text = _get(path, question, "question", str, at).strip()
    if question.get("is_impossible"):
        return text, context, "[]"
    if "answers" not in question:
        raise _not_of_the_form(path, f"{at}.answers is missing")
    try:
        answers = parse_answers(as_text(question["answers"], ANSWERS))
        for answer in answers:
            check_answer(answer, context)
    except UserError as error:
        where = place(path, f"question {question.get('id', text)!r}")
        raise UserError(f"{where}: {error}") from error
    kept = [{"text": text, "answer_start": start} for text, start in answers]
    return text, context, json.dumps(kept, ensure_ascii=False)


def _items(path, record, key, at=""):
    """The items of a list under a key, each with where it is."""
    items = _get(path, record, key, list, at)
    return [(item, f"{at}.{key}[{i}]".lstrip(".")) for i, item in enumerate(items)]


def _get(path, record, key, kind, at):
    if not isinstance(record, dict):
        raise _not_of_the_form(path, f"{at or 'the whole'} is no object")
    if not isinstance(record.get(key), kind):
        problem = f"is not {_NAMES[kind]}" if key in record else "is missing"
        raise _not_of_the_form(path, f"{at}.{key} {problem}".lstrip("."))
    return record[key]


def _not_of_the_form(path, problem):
    return UserError(f"{path} has not the form of SQuAD, {_FORM}: {problem}")


def parse_answers(text):
    """The answers of an example as pairs of text and first character.

    Args:
        text: JSON, a list of objects with `text` and `answer_start`.

    Raises:
        UserError: if it is something else.

    Example:
        >>> parse_answers('[{"text": "Ada", "answer_start": 0}]')
        [('Ada', 0)]
    """
    try:
        answers = load_json(text)
    except UserError:
        answers = None
    pairs = [
        (answer.get("text"), answer.get("answer_start")) if isinstance(answer, dict) else (None, 0)
        for answer in (answers if isinstance(answers, list) else [None])
    ]
    # Not isinstance: true is an int, too.
    if not all(
        isinstance(text, str) and type(start) is int and start >= 0 for text, start in pairs
    ):
        raise UserError(
            'answers must be a JSON list of {"text": ..., "answer_start": ...}, the latter a '
            f"number of characters from 0; received {text[:200]!r}"
        )
    return pairs


def check_answer(answer, context):
    """Refuses an answer that the context does not have where it is said to be.

    Args:
        answer: a pair, see `parse_answers`.
        context: the text.
    """
    text, start = answer
    there = context[start : start + len(text)]
    if there != text:
        raise UserError(f"the context has {there!r} at character {start}, not the answer {text!r}")


def require_fields(path, fields, number, what):
    """Refuses to read other than so many columns from a file whose columns have no names."""
    if len(fields) != number:
        raise UserError(
            f"{path} holds {what}, {number} column{'s' * (number > 1)}; "
            f"{len(fields)} are asked for: {', '.join(map(str, fields))}"
        )
