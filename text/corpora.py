"""Several corpora with weights: how often an example of each occurs in an epoch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydantic

from attention_zoo.json_files import Content
from attention_zoo.text.examples import Example


class Corpus(Content):
    """A part of the training data.

    Attributes:
        size: how many examples it has.
        weight: how often each of them occurs in an epoch; 0.5: half of them, drawn anew each time.
    """

    size: int
    weight: float = pydantic.Field(ge=0.001, le=1000)


class Mixture(list[Example]):
    """The examples of several corpora, one corpus after another.

    Args:
        parts: for each corpus its examples and its weight.

    Attributes:
        corpora: list of `Corpus`.

    Example:
        >>> mixture = Mixture([([("a",), ("b",)], 1.0), ([("c",)], 3.0)])
        >>> mixture, [len(part) for part in mixture.parts()]
        ([('a',), ('b',), ('c',)], [2, 1])
    """

    def __init__(self, parts: Sequence[tuple[Sequence[Any], float]]) -> None:
        super().__init__(example for examples, _ in parts for example in examples)
        self.corpora = [Corpus(size=len(examples), weight=weight) for examples, weight in parts]

    def parts(self) -> list[list[Example]]:
        """The examples of each corpus."""
        examples = iter(self)
        return [list(itertools.islice(examples, corpus.size)) for corpus in self.corpora]


class Draws:
    """Which examples an epoch has, in groups that each have the same number in every epoch.

    An example of a corpus with weight 2.3 occurs twice, and 3 of 10 occur a third time. These are
    drawn anew in each epoch; their number is rounded up in each group, so that each can be drawn.

    Args:
        groups: the group of each example, int array `(N,)`, values from 0.
        corpora: the corpora that the examples belong to, in order; empty: a single one.

    Attributes:
        sizes: the number of examples of each group in an epoch.

    Example:
        >>> corpora = [Corpus(size=3, weight=1), Corpus(size=1, weight=2)]
        >>> draws = Draws(np.array([0, 0, 1, 1]), corpora)
        >>> draws.sizes.tolist()
        [2, 3]
        >>> [sorted(group.tolist()) for group in draws.of_epoch(np.random.default_rng(0))]
        [[0, 1], [2, 3, 3]]
    """

    def __init__(self, groups: np.ndarray, corpora: Sequence[Corpus] = ()) -> None:
        self._groups = groups
        self._spans = _spans(corpora) if any(corpus.weight != 1 for corpus in corpora) else []
        members = np.bincount(groups)
        self._ends = np.cumsum(members)[:-1]
        self.sizes = members
        if self._spans:
            starts = [start for start, _, _ in self._spans]
            corpus_of = np.repeat(np.arange(len(starts)), np.diff([*starts, len(groups)]))
            counts = np.zeros((len(members), len(starts)), "int64")
            np.add.at(counts, (groups, corpus_of), 1)
            occurrences = [
                whole * column + _extra(rest, column)
                for (_, whole, rest), column in zip(self._spans, counts.T, strict=True)
            ]
            self.sizes = np.sum(occurrences, axis=0)

    def of_epoch(self, random: np.random.Generator) -> list[np.ndarray]:
        """The indices of the examples of each group, in random order."""
        order = random.permutation(len(self._groups))
        order = order[np.argsort(self._groups[order], kind="stable")]
        groups = np.split(order, self._ends)
        return [self._repeated(group, random) for group in groups] if self._spans else groups

    def _repeated(self, members: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The members as often as their corpora weigh, in random order."""
        starts = [start for start, _, _ in self._spans]
        corpus_of = np.searchsorted(starts, members, side="right") - 1
        occurrences = []
        for i, (_, whole, rest) in enumerate(self._spans):
            own = members[corpus_of == i]
            occurrences += [np.tile(own, whole), own[: _extra(rest, len(own))]]
        return random.permutation(np.concatenate(occurrences))


def _spans(corpora: Sequence[Corpus]) -> list[tuple[int, int, float]]:
    """The first index of each corpus, and the whole and the fractional part of its weight."""
    starts = np.cumsum([0, *(corpus.size for corpus in corpora)])
    return [
        (int(start), int(corpus.weight), corpus.weight % 1)
        for start, corpus in zip(starts[:-1], corpora, strict=True)
    ]


def _extra(rest: float, count: Any) -> Any:
    """How many of `count` examples the fraction `rest` is, rounded up."""
    # 0.1 * 30 is 3.0000000000000004, which is not 4 examples.
    return np.ceil(np.round(rest * np.asarray(count), 9)).astype("int64")
