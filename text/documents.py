"""From documents to the pairs of segments on which BERT is pre-trained."""

from collections.abc import Sequence

import numpy as np

Ids = Sequence[int]
Documents = Sequence[Sequence[Ids]]


def segment_pairs(
    documents: Documents, max_length: int, seed: int = 0, short: float = 0.1
) -> list[tuple[list[int], list[int], bool]]:
    """Makes pairs of segments, half of which are consecutive in a document.

    "BERT" (Devlin et al. 2019), appendix A.2, and `create_instances_from_document` of
    google-research/bert, `create_pretraining_data.py`: sentences of a document are joined until
    they reach the length of a pair, and split after a random sentence. Half of the second segments
    are replaced by text of another document; their sentences are used in the next pair.

    Args:
        documents: documents of sentences of ids.
        max_length: longest pair in ids, including the three special ones.
        seed: of the random generator.
        short: fraction of pairs that get a random shorter length.

    Returns:
        Triples: the ids of two segments, and whether the second comes from another document.

    Example:
        >>> segment_pairs([[[5, 6], [7, 8]], [[9], [10]]], max_length=16, seed=1)
        [([5, 6], [7, 8], False), ([9], [10], False)]
    """
    random = np.random.default_rng(seed)
    pairs = []
    room = max_length - 3
    for i, document in enumerate(documents):
        target = _target_length(random, room, short)
        chunk, length, position = [], 0, 0
        while position < len(document):
            chunk.append(document[position])
            length += len(document[position])
            if position == len(document) - 1 or length >= target:
                cut = 1 if len(chunk) < 3 else int(random.integers(1, len(chunk)))
                first = [id_ for sentence in chunk[:cut] for id_ in sentence]
                second = [id_ for sentence in chunk[cut:] for id_ in sentence]
                is_random = not second or (len(documents) > 1 and random.random() < 0.5)
                if is_random:
                    second = _random_text(random, documents, i, max(target - len(first), 1))
                    position -= len(chunk) - cut
                pairs.append((*_truncate(random, first, second, room), bool(is_random)))
                chunk, length = [], 0
            position += 1
    return [pair for pair in pairs if pair[0] and pair[1]]


def packed_segments(documents: Documents, max_length: int) -> list[list[int]]:
    """Splits documents into segments of the largest length.

    Args:
        documents: see `segment_pairs`.
        max_length: longest segment in ids, including the two special ones.

    Example:
        >>> packed_segments([[[5, 6], [7, 8, 9]], [[10]]], max_length=6)
        [[5, 6, 7, 8], [9], [10]]
    """
    room = max_length - 2
    joined = [[i for sentence in document for i in sentence] for document in documents]
    return [ids[start : start + room] for ids in joined for start in range(0, len(ids), room)]


def _target_length(random: np.random.Generator, room: int, short: float) -> int:
    return int(random.integers(2, room + 1)) if random.random() < short else room


def _random_text(
    random: np.random.Generator, documents: Documents, excluded: int, length: int
) -> list[int]:
    """Consecutive sentences of at least `length` ids, if there are that many, of another document.

    Args:
        random: a generator.
        documents: all documents.
        excluded: index of the document not to choose.
        length: number of ids.
    """
    if len(documents) == 1:
        return []
    other = int(random.integers(len(documents) - 1))
    document = documents[other + (other >= excluded)]
    ids: list[int] = []
    for sentence in document[int(random.integers(len(document))) :]:
        ids += sentence
        if len(ids) >= length:
            break
    return ids


def _truncate(
    random: np.random.Generator, first: Ids, second: Ids, room: int
) -> tuple[list[int], list[int]]:
    """Removes ids from either end of the longer segment until both fit."""
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        longer = first if len(first) > len(second) else second
        longer.pop(0 if random.random() < 0.5 else -1)
    return first, second
