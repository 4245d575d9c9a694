"""Which examples make a batch, and in which order: a pure function of seed and epoch.

Batches hold about equally many tokens, not equally many sentences, and each is
padded to one of a few lengths, so that a compiled step meets few shapes. Because
the plan of an epoch depends on nothing else, training resumes at any step by
planning again and skipping indices.
"""

import dataclasses

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.text.vocabulary import PAD_ID


@dataclasses.dataclass(frozen=True)
class Bucket:
    """One shape of batch: `rows` examples, padded to `lengths` (one length a field)."""

    rows: int
    lengths: tuple


class TokenBatches:
    """Batches of id sequences with about `batch_tokens` padded tokens a field.

    Args:
        examples: list of examples, each a tuple of sequences: ids (source, target), or floats.
        batch_tokens: padded tokens of the longest field in a batch.
        num_buckets: number of shapes; 1 is the fixed-shape mode.
        multiple: the number of rows is a multiple of this (the number of replicas).
        seed: of the order.

    Example:
        >>> examples = [([1] * n, [2] * n) for n in range(1, 9)]
        >>> batches = TokenBatches(examples, batch_tokens=16, num_buckets=2, seed=1)
        >>> sorted(int(i) for step in batches.plan(epoch=0) for i in step[1] if i >= 0)
        [0, 1, 2, 3, 4, 5, 6, 7]
    """

    def __init__(self, examples, batch_tokens, num_buckets=8, multiple=1, seed=0):
        if not examples:
            raise UserError("there is no example to make batches of")
        self.examples = [tuple(map(_typed, example)) for example in examples]
        self.seed = seed
        lengths = np.array([[len(field) for field in example] for example in self.examples])
        self._longest = lengths.max(axis=1)
        self.buckets = _make_buckets(lengths, batch_tokens, num_buckets, multiple)
        limits = [max(bucket.lengths) for bucket in self.buckets]
        self._bucket_of = np.searchsorted(limits, self._longest)

    def plan(self, epoch):
        """The steps of an epoch, in order.

        Args:
            epoch: number of the epoch, from 0.

        Returns:
            A list of pairs: a `Bucket`, and the indices of its examples as an array of
            `bucket.rows` entries; -1 stands for an empty row.
        """
        random = np.random.default_rng((self.seed, epoch))
        order = random.permutation(len(self.examples))
        steps = []
        for number, bucket in enumerate(self.buckets):
            members = order[self._bucket_of[order] == number]
            padding = -len(members) % bucket.rows
            members = np.concatenate([members, np.full(padding, -1, dtype=members.dtype)])
            steps += [(bucket, indices) for indices in members.reshape(-1, bucket.rows)]
        return [steps[i] for i in random.permutation(len(steps))]

    def gather(self, bucket, indices):
        """Pads the examples of one step to the bucket's shape.

        Returns:
            A tuple of arrays, one a field, each `(rows, length of the field)`.
        """
        fields = tuple(
            np.full((len(indices), length), PAD_ID, dtype=field.dtype)
            for length, field in zip(bucket.lengths, self.examples[0], strict=True)
        )
        for row, index in enumerate(indices):
            if index < 0:
                continue
            for field, ids in zip(fields, self.examples[index], strict=True):
                field[row, : len(ids)] = ids
        return fields

    def steps_from(self, step):
        """All batches from a global step on, epoch after epoch, without end.

        Args:
            step: number of steps already taken, from 0.

        Yields:
            Pairs of the epoch and the tuple of arrays.
        """
        epoch = 0
        plan = self.plan(epoch)
        # Every epoch has equally many steps: only the order differs.
        epoch, skip = divmod(step, len(plan))
        while True:
            for bucket, indices in self.plan(epoch)[skip:]:
                yield epoch, self.gather(bucket, indices)
            epoch, skip = epoch + 1, 0


def _typed(values):
    """A field as int32, or as float32 where it has floats."""
    values = np.asarray(values)
    return values.astype("float32" if values.dtype.kind == "f" else "int32")


def _make_buckets(lengths, batch_tokens, num_buckets, multiple):
    """Cuts the examples, sorted by length, into shares of equally many tokens."""
    longest = lengths.max(axis=1)
    # Not of equally many examples: long sentences cost more.
    order = np.argsort(longest, kind="stable")
    tokens = np.cumsum(longest[order])
    # No more shares than batches: each should fill one.
    num_buckets = max(1, min(num_buckets, int(tokens[-1]) // batch_tokens))
    cuts = np.searchsorted(tokens, tokens[-1] * np.arange(1, num_buckets + 1) / num_buckets)
    limits = sorted({int(longest[order][min(cut, len(order) - 1)]) for cut in cuts})
    buckets = []
    previous = 0
    for limit in limits:
        inside = (longest > previous) & (longest <= limit)
        field_lengths = tuple(int(n) for n in lengths[inside].max(axis=0))
        most = max(1, batch_tokens // (limit * multiple)) * multiple
        buckets.append(Bucket(_even_rows(int(inside.sum()), most, multiple), field_lengths))
        previous = limit
    return buckets


def _even_rows(examples, most, multiple):
    """Rows of batches of equal size that hold the examples with as few empty rows as there can be.

    No more than `most` rows, a multiple of `multiple` as that is, in as few batches.
    """
    batches = -(-examples // most)
    return -(-examples // (batches * multiple)) * multiple
