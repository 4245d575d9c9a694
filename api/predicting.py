"""Answering a stream of lines."""

import itertools


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
    """
    first = 1
    while lines := list(itertools.islice(file, batch)):
        texts = [_decode(line, first + i, warn) for i, line in enumerate(lines)]
        for i in task.truncated(texts):
            warn(
                f"line {first + i} is longer than {task.max_source_length - 1} tokens, "
                f"the rest of it is not read"
            )
        yield from task.predict(texts, **options)
        first += len(lines)


def _decode(line, number, warn):
    line = line.rstrip(b"\r\n")
    try:
        return line.decode("utf-8").strip()
    except UnicodeDecodeError:
        warn(f"line {number} is not UTF-8; its foreign bytes are read as unknown characters")
        return line.decode("utf-8", errors="replace").strip()
