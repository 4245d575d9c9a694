"""Corpora with weights: how often their examples occur, in batches and in packed rows."""

from collections import Counter

import numpy as np
import pytest

from attention_zoo.text.batching import IdRows, TokenBatches
from attention_zoo.text.corpora import Corpus, Draws, Mixture
from attention_zoo.text.packing import PackedBatches


def occurrences(batches, epoch):
    rows = [row for _, rows in batches.plan(epoch) for row in rows]
    return Counter(int(i) for row in rows for i in np.atleast_1d(row) if i >= 0)


def make(kind, weights, rng, seed=1):
    """Batches of two corpora, of 200 and 30 examples."""
    lengths = rng.integers(1, 20, (230, 2))
    examples = [([1] * m, [1] * n) for m, n in lengths]
    corpora = [
        Corpus(size=size, weight=weight) for size, weight in zip((200, 30), weights, strict=True)
    ]
    rows = IdRows(examples, corpora)
    return (
        TokenBatches(rows, 200, num_buckets=3, seed=seed)
        if kind == "buckets"
        else PackedBatches(rows, 200, 40, seed)
    )


@pytest.mark.parametrize("kind", ["buckets", "packed"])
def test_whole_weights_are_counts(kind, rng):
    counts = occurrences(make(kind, (1.0, 3.0), rng), epoch=0)
    assert counts == {**dict.fromkeys(range(200), 1), **dict.fromkeys(range(200, 230), 3)}


@pytest.mark.parametrize("kind", ["buckets", "packed"])
def test_fractions_are_drawn_anew_in_each_epoch(kind, rng):
    batches = make(kind, (0.5, 2.25), rng)
    plans = [occurrences(batches, epoch) for epoch in range(60)]
    groups = 20  # sizes; each rounds up
    for plan in plans:
        first, second = (sum(plan[i] for i in part) for part in (range(200), range(200, 230)))
        assert 100 <= first <= 100 + groups
        assert 67 <= second <= 68 + groups
        assert set(plan.values()) <= {1, 2, 3}
    assert len({frozenset(plan.items()) for plan in plans}) == 60
    # None is left out for good.
    assert set().union(*plans) == set(range(230))
    assert len({len(batches.plan(epoch)) for epoch in range(5)}) == 1
    assert occurrences(batches, 3) == plans[3]


def test_without_weights_nothing_changes(rng):
    plans = [
        [rows.tolist() for _, rows in make("buckets", weights, np.random.default_rng(0)).plan(2)]
        for weights in ((1.0, 1.0), (1, 1))
    ]
    lengths = np.random.default_rng(0).integers(1, 20, (230, 2))
    plain = TokenBatches([([1] * m, [1] * n) for m, n in lengths], 200, num_buckets=3, seed=1)
    assert plans[0] == plans[1] == [rows.tolist() for _, rows in plain.plan(2)]


def test_a_fraction_that_floats_cannot_hold():
    draws = Draws(np.zeros(30, "int16"), [Corpus(size=30, weight=1.1)])
    assert draws.sizes.tolist() == [33]


def test_a_mixture_is_a_list():
    mixture = Mixture([([("a", "b")], 2.0), ([("c", "d"), ("e", "f")], 0.5)])
    assert mixture[1:] == [("c", "d"), ("e", "f")]
    assert mixture.corpora == [Corpus(size=1, weight=2.0), Corpus(size=2, weight=0.5)]
    assert mixture.parts() == [[("a", "b")], [("c", "d"), ("e", "f")]]
