"""Notes on the texts of a training: truncated texts and unknown tokens."""

import collections
import itertools

from attention_zoo.errors import UserError, shown

MOST_UNKNOWN = 0.3
_MANY_UNKNOWN = 0.02
_NAMED = 5  # unknown tokens
_SEARCHED = 200  # texts with unknown tokens


def notes_on_texts(task, examples, most_unknown=MOST_UNKNOWN):
    """Describes which parts of examples a task cannot read.

    Args:
        task: a task.
        examples: list of tuples of strings.
        most_unknown: the fraction of unknown tokens, from 0 to 1, from which training is
            refused; 1: no limit.

    Returns:
        A list of lines about truncated texts and unknown tokens.

    Raises:
        UserError: if too many tokens are unknown.
    """
    notes = []
    for side in task.sides(examples):
        note, unknown = _count(side)
        notes += [*note, *_unknown(side, *unknown, most_unknown)]
    return notes


def truncation(task, examples):
    """Counts the examples that a task truncates.

    Args:
        task: a task.
        examples: list of tuples of strings.

    Returns:
        A dict from side to the number of truncated examples, and a list of lines.
    """
    counts, notes = {}, []
    for side in task.sides(examples):
        beyond = side.beyond()
        if side.limit is not None:
            counts[side.name] = len(beyond)
        notes += _cut_off(side, len(examples), len(beyond), max(beyond.values(), default=0))
    return counts, notes


def _count(side):
    """The note on truncated texts of a side, and its unknown tokens: count, total, indices."""
    count = cut = longest = unknown = total = 0
    where = []
    for count, row in enumerate(side.rows(), start=1):
        if side.limit is not None and len(row) > side.limit:
            cut, longest = cut + 1, max(longest, len(row))
        num_unknown = int((row == side.tokenizer.unknown_id).sum())
        unknown, total = unknown + num_unknown, total + len(row)
        if num_unknown and len(where) < _SEARCHED:
            where.append(count - 1)
    return _cut_off(side, count, cut, longest), (unknown, total, where)


def _cut_off(side, count, cut, longest):
    if not cut:
        return []
    are = "is" if cut == 1 else "are"
    texts = "texts" if side.name == "text" else f"{side.name} texts"
    return [
        f"{cut:,} of {count:,} {texts} {are} longer than {side.limit:,} tokens "
        f"(the longest has {longest:,}) and {are} truncated"
    ]


def _unknown(side, unknown, total, where, most):
    fraction = unknown / max(total, 1)
    if fraction < _MANY_UNKNOWN:
        return []
    texts = (column[i] for i in where for column in side.columns)
    counter = collections.Counter(
        itertools.chain.from_iterable(side.tokenizer.unknown_tokens(text) for text in texts)
    )
    names = ", ".join(shown(token) for token, _ in counter.most_common(_NAMED))
    message = (
        f"{fraction:.0%} of the {total:,} tokens of the {side.name} are not in the vocabulary, "
        f"most often {names}"
    )
    if fraction >= most and most < 1:
        raise UserError(
            f"{message}. Nothing can be learned from them: use another tokenizer or a larger "
            f"vocabulary, or continue anyway with train.max_unknown above {fraction:.2f} "
            f"(now {most:g}; 1: no limit)"
        )
    return [message]
