"""Answering a stream of lines."""

import itertools

from attention_zoo.errors import UserError
from attention_zoo.text.lines import check_encoding, limited_lines, strip_line_end


def predict_lines(task, file, batch, options, warn):
    """Answers the lines of a file, in their order.

    Args:
        task: a task or an artefact.
        file: an open binary file.
        batch: number of lines to answer at once.
        options: of the task's `predict`.
        warn: called with a line of text about a line that is not answered as it stands.

    Yields:
        An `Answer` for each line; an empty one for an empty line.

    Raises:
        UserError: if a line is too long or has not the columns of the task, or the input is
            UTF-16 or cannot be read.
    """
    first, rest = 1, limited_lines(file)
    while lines := _next_lines(rest, batch, first):
        texts = [_input(line, first + i, task, warn) for i, line in enumerate(lines)]
        for side in task.input_sides(texts):
            for i in side.beyond():
                warn(
                    f"line {first + i} is longer than {side.limit} tokens, "
                    f"the rest of it is not read"
                )
        yield from task.predict(texts, **options)
        first += len(lines)


def _next_lines(rest, batch, first):
    try:
        return list(itertools.islice(rest, batch))
    except OSError as error:
        raise UserError(
            f"the input cannot be read from line {first} on: {error.strerror or error}"
        ) from error


def _input(line, number, task, warn):
    """A line as the task takes it: a string, or a tuple of those between tabs."""
    text, expected = _decode(line, number, warn), len(task.text_inputs)
    if expected == 1:
        return text
    columns = tuple(text.split("\t"))
    if len(columns) != expected:
        raise UserError(
            f"line {number}: {' and '.join(task.text_inputs)} with a tab between are needed, "
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
        warn(f"line {number} is not UTF-8; its foreign bytes are read as unknown characters")
        return line.decode("utf-8", errors="replace").strip()
