"""Documents to the pairs of segments that BERT's pre-training reads."""

import numpy as np


def segment_pairs(documents, max_length, seed=0, short=0.1):
    """Cuts documents into pairs, half of which follow each other.

    "BERT" (Devlin et al. 2019), appendix A.2, and `create_instances_from_document` of
    google-research/bert, `create_pretraining_data.py`: sentences of a document are joined
    until they fill the room, and cut at a random sentence; half of the second segments are
    replaced by text of another document, and what they would have been is read later.

    Args:
        documents: list of documents, each a list of sentences, each a list of ids.
        max_length: longest pair in ids, with the three special ones.
        seed: of all that is random.
        short: share of the pairs that are to be shorter than there is room for.

    Returns:
        A list of triples: the ids of two segments, and whether the second is a random one.

    Example:
        >>> segment_pairs([[[5, 6], [7, 8]], [[9], [10]]], max_length=16, seed=1)
        [([5, 6], [7, 8], False), ([9], [10], False)]
    """
    random = np.random.default_rng(seed)
    pairs = []
    room = max_length - 3
    for number, document in enumerate(documents):
        target = _target(random, room, short)
        chunk, length, place = [], 0, 0
        while place < len(document):
            chunk.append(document[place])
            length += len(document[place])
            if place == len(document) - 1 or length >= target:
                cut = 1 if len(chunk) < 3 else int(random.integers(1, len(chunk)))
                first = [i for sentence in chunk[:cut] for i in sentence]
                second = [i for sentence in chunk[cut:] for i in sentence]
                is_random = not second or (len(documents) > 1 and random.random() < 0.5)
                if is_random:
                    second = _other(random, documents, number, max(target - len(first), 1))
                    place -= len(chunk) - cut
                pairs.append((*_truncate(random, first, second, room), bool(is_random)))
                chunk, length = [], 0
            place += 1
    return [pair for pair in pairs if pair[0] and pair[1]]


def packed_segments(documents, max_length):
    """Cuts documents into segments as long as there is room for, two special ids included.

    Args:
        documents: as of `segment_pairs`.
        max_length: longest segment in ids.

    Returns:
        A list of lists of ids.

    Example:
        >>> packed_segments([[[5, 6], [7, 8, 9]], [[10]]], max_length=6)
        [[5, 6, 7, 8], [9], [10]]
    """
    room = max_length - 2
    joined = [[i for sentence in document for i in sentence] for document in documents]
    return [ids[start : start + room] for ids in joined for start in range(0, len(ids), room)]


def _target(random, room, short):
    return int(random.integers(2, room + 1)) if random.random() < short else room


def _other(random, documents, number, length):
    """Text from another document, of about a length."""
    if len(documents) == 1:
        return []
    other = int(random.integers(len(documents) - 1))
    document = documents[other + (other >= number)]
    ids = []
    for sentence in document[int(random.integers(len(document))) :]:
        ids += sentence
        if len(ids) >= length:
            break
    return ids


def _truncate(random, first, second, room):
    """Takes ids from the longer segment, at its beginning or its end, until both fit."""
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        longer = first if len(first) > len(second) else second
        longer.pop(0 if random.random() < 0.5 else -1)
    return first, second
