"""Answers a stream of lines."""

import itertools

from attention_zoo.errors import UserError
from attention_zoo.text.lines import check_encoding, limited_lines, strip_line_end


def predict_lines(task, file, batch, options, warn):
    """Answers the lines of a file, in order.

    Args:
        task: a task or an artefact.
        file: an open binary file.
        batch: number of lines to answer at once.
        options: options of the task's `predict`.
        warn: called with a line of text about each line that is truncated or not UTF-8.

    Yields:
        An `Answer` for each line; an empty one for an empty line.

    Raises:
        UserError: if a line is too long or has the wrong number of columns, or the input is
            UTF-16 or cannot be read.
    """
    first, rest = 1, limited_lines(file)
    while lines := _next_lines(rest, batch, first):
        texts = [read_input(line, first + i, task, warn) for i, line in enumerate(lines)]
        for side in () if options.get("split") else task.input_sides(texts):
            for i in side.beyond():
                warn(f"line {first + i} is longer than {side.limit} tokens and is truncated")
        yield from task.predict(texts, **options)
        first += len(lines)


def _next_lines(rest, batch, first):
    try:
        return list(itertools.islice(rest, batch))
    except OSError as error:
        raise UserError(
            f"the input cannot be read from line {first} on: {error.strerror or error}"
        ) from error


def read_input(line, number, task, warn):
    """A line as the input of the task: a string, or a tuple of its columns.

    Args:
        line: the bytes, with their line end.
        number: line number, from 1.
        task: a task or an artefact.
        warn: called with a line of text if it is not UTF-8.

    Raises:
        UserError: if it has the wrong number of columns, or the first line is UTF-16.
    """
    text, expected = _decode(line, number, warn), len(task.text_inputs)
    if expected == 1:
        return text
    columns = tuple(text.split("\t"))
    if len(columns) != expected:
        raise UserError(
            f"line {number}: {' and '.join(task.text_inputs)} separated by a tab are needed, "
            f"received {len(columns)} column{'s' * (len(columns) != 1)}: {text!r}"
        )
    return columns


def _decode(line, number, warn):
    if number == 1:
        check_encoding(line, "the input")
        line = line.removeprefix(b"\xef\xbb\xbf")
    line = strip_line_end(line)
    try:
        return line.decode("utf-8").strip()
    except UnicodeDecodeError:
        warn(f"line {number} is not UTF-8; invalid bytes are read as unknown characters")
        return line.decode("utf-8", errors="replace").strip()
