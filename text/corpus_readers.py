"""Readers of formats that a kind of task has for itself: CoNLL, SQuAD, plain documents."""

import json

from attention_zoo.errors import UserError


def read_conll(path, fields, lines):
    """Reads tagged sentences: a word and its tag a line, an empty line after a sentence.

    The word is the first column and the tag the last, between spaces or tabs; lines that
    begin with `-DOCSTART-` are passed over (Tjong Kim Sang and De Meulder 2003).

    Args:
        path: named in errors.
        fields: two names; they are not looked up, the columns have none.
        lines: the lines of the file.

    Returns:
        A list of pairs of strings: words and tags, with spaces between.
    """
    _require(path, fields, 2, "words and tags")
    examples, sentence = [], []
    for number, line in enumerate([*lines, ""], start=1):
        columns = line.split()
        if not columns or columns[0] == "-DOCSTART-":
            if sentence:
                examples.append(tuple(map(" ".join, zip(*sentence, strict=True))))
            sentence = []
        elif len(columns) == 1:
            raise UserError(f"{path}, line {number}: the word {columns[0]!r} has no tag")
        else:
            sentence.append((columns[0], columns[-1]))
    return examples


def read_squad(path, fields, lines):
    """Reads questions in the format of SQuAD 1.1 and 2.0.

    Args:
        path: named in errors.
        fields: three names; they are not looked up.
        lines: the lines of the file.

    Returns:
        A list of triples of strings: question, context, and the answers as JSON, a list of
        objects with `text` and `answer_start`; empty for questions that have none.

    Raises:
        UserError: if it is not JSON of that form, or an answer is not where it is said to
            be.
    """
    _require(path, fields, 3, "question, context and answers")
    try:
        content = json.loads("\n".join(lines))
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from error
    examples = []
    try:
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                context = paragraph["context"]
                for question in paragraph["qas"]:
                    answers = [] if question.get("is_impossible") else question["answers"]
                    kept = [
                        {"text": a["text"], "answer_start": int(a["answer_start"])} for a in answers
                    ]
                    _check_answers(path, question, context, kept)
                    text = json.dumps(kept, ensure_ascii=False)
                    examples.append((question["question"].strip(), context, text))
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} has not the form of SQuAD: data[].paragraphs[].qas[] with question and "
            f"answers: {error!r}"
        ) from error
    return examples


def _check_answers(path, question, context, answers):
    for answer in answers:
        start, text = answer["answer_start"], answer["text"]
        there = context[start : start + len(text)]
        if there != text:
            raise UserError(
                f"{path}, question {question.get('id', question['question'])!r}: the context has "
                f"{there!r} at character {start}, not the answer {text!r}"
            )


def read_documents(path, fields, lines):
    """Reads documents: a sentence or paragraph a line, an empty line after a document.

    Args:
        path: named in errors.
        fields: one name; it is not looked up.
        lines: the lines of the file.

    Returns:
        A list of 1-tuples: the lines of a document with line ends between.
    """
    _require(path, fields, 1, "documents")
    examples, document = [], []
    for line in [*lines, ""]:
        if line.strip():
            document.append(line.strip())
        elif document:
            examples.append(("\n".join(document),))
            document = []
    return examples


def _require(path, fields, number, what):
    if len(fields) != number:
        raise UserError(
            f"{path} holds {what}, {number} column{'s' * (number > 1)}; "
            f"{len(fields)} are asked for: {', '.join(map(str, fields))}"
        )
