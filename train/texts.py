"""What is to be said about the texts of a training: what is cut off, what no vocabulary knows."""

import collections
import itertools

from attention_zoo.errors import UserError, shown

MOST_UNKNOWN = 0.3
_MANY_UNKNOWN = 0.02
_NAMED = 5  # of what is unknown
_SEARCHED = 200  # texts with something unknown in them


def notes_on_texts(task, examples, most_unknown=MOST_UNKNOWN):
    """Says how much of some examples a task cannot read.

    Args:
        task: a task.
        examples: list of tuples of strings.
        most_unknown: the share of unknown tokens, from 0 to 1, from which on it is of no use
            to train; with 1 it never is.

    Returns:
        A list of lines: texts that are cut off, and many tokens that are unknown.

    Raises:
        UserError: if so many are unknown.
    """
    notes = []
    for side in task.sides(examples):
        note, unknown = _count(side)
        notes += [*note, *_unknown(side, *unknown, most_unknown)]
    return notes


def truncation(task, examples):
    """Says which examples are longer than a task reads.

    Args:
        task: a task.
        examples: list of tuples of strings.

    Returns:
        A dict from side to how many are cut off there, and a list of lines.
    """
    counts, notes = {}, []
    for side in task.sides(examples):
        beyond = side.beyond()
        if side.limit is not None:
            counts[side.name] = len(beyond)
        notes += _cut_off(side, len(examples), len(beyond), max(beyond.values(), default=0))
    return counts, notes


def _count(side):
    """The note on what is cut off of a side, and unknown tokens: number, of how many, where."""
    number = cut = longest = unknown = total = 0
    where = []
    for number, row in enumerate(side.rows(), start=1):
        if side.limit is not None and len(row) > side.limit:
            cut, longest = cut + 1, max(longest, len(row))
        found = int((row == side.tokenizer.unknown_id).sum())
        unknown, total = unknown + found, total + len(row)
        if found and len(where) < _SEARCHED:
            where.append(number - 1)
    return _cut_off(side, number, cut, longest), (unknown, total, where)


def _cut_off(side, number, cut, longest):
    if not cut:
        return []
    are = "is" if cut == 1 else "are"
    texts = "texts" if side.name == "text" else f"{side.name} texts"
    return [
        f"{cut:,} of {number:,} {texts} {are} longer than {side.limit:,} tokens "
        f"(the longest has {longest:,}) and {are} cut off there"
    ]


def _unknown(side, unknown, total, where, most):
    share = unknown / max(total, 1)
    if share < _MANY_UNKNOWN:
        return []
    texts = (column[i] for i in where for column in side.columns)
    found = collections.Counter(
        itertools.chain.from_iterable(side.tokenizer.unknown_tokens(text) for text in texts)
    )
    names = ", ".join(shown(token) for token, _ in found.most_common(_NAMED))
    message = (
        f"{share:.0%} of the {total:,} tokens of the {side.name} are unknown to the vocabulary, "
        f"most often {names}"
    )
    if share >= most and most < 1:
        raise UserError(
            f"{message}. Nothing can be learnt of them: take another tokenizer or a larger "
            f"vocabulary, or go on nevertheless with train.max_unknown above {share:.2f} "
            f"(now {most:g}; 1 is no limit)"
        )
    return [message]
