import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from attention_zoo.errors import UserError
from attention_zoo.text.batching import Bucket, TokenBatches

quickly = settings(max_examples=60, deadline=None, derandomize=True)


def make_examples(lengths):
    """Examples of given lengths, each with ids that are its own."""
    return [
        tuple([10 * number + field] * length for field, length in enumerate(pair, start=1))
        for number, pair in enumerate(lengths, start=1)
    ]


def skewed(rng, number):
    """Lengths of sources and targets, some much longer than their counterpart."""
    lengths = rng.integers(1, 40, (number, 2))
    lengths[::7, 0] = rng.integers(80, 100, len(lengths[::7]))
    lengths[::11, 1] = rng.integers(150, 200, len(lengths[::11]))
    return lengths


def same_batches(ones, others):
    for (epoch, batch), (other_epoch, other) in zip(ones, others, strict=True):
        assert epoch == other_epoch
        assert len(batch) == len(other) == 2
        for field, other_field in zip(batch, other, strict=True):
            assert_array_equal(field, other_field)


@pytest.fixture
def examples(rng):
    return make_examples(skewed(rng, 300))


def indices_of(plan):
    return [indices.tolist() for _, indices in plan]


pairs = st.tuples(st.integers(1, 30), st.integers(1, 30))
long_source = st.tuples(st.integers(100, 300), st.integers(1, 5))
long_target = st.tuples(st.integers(1, 5), st.integers(100, 300))
any_lengths = st.lists(pairs | long_source | long_target, min_size=1, max_size=60)
any_options = st.fixed_dictionaries(
    {
        "batch_tokens": st.integers(1, 2000),
        "num_buckets": st.integers(1, 9),
        "multiple": st.integers(1, 4),
        "seed": st.integers(0, 2**32),
    }
)


def test_by_hand():
    lengths = [(1, 2), (3, 1), (2, 2), (6, 1), (2, 5), (4, 6)]
    batches = TokenBatches(make_examples(lengths), batch_tokens=12, num_buckets=2)
    # Half of the 24 tokens lie in rows of up to 5, and 12 tokens hold 2 rows of either.
    assert batches.buckets == [Bucket(2, (3, 5)), Bucket(2, (6, 6))]
    assert len(batches.plan(0)) == 3
    # Fewer tokens than two batches: one bucket. Six rows in two batches: three each, not five.
    batches = TokenBatches(make_examples(lengths), batch_tokens=30, num_buckets=2)
    assert batches.buckets == [Bucket(3, (6, 6))]


def test_gather_pads_with_0_and_leaves_empty_rows_empty():
    batches = TokenBatches(make_examples([(1, 2), (3, 1)]), batch_tokens=12, num_buckets=1)
    source, target = batches.gather(batches.buckets[0], np.array([1, -1, 0, -1]))
    assert source.dtype == target.dtype == np.int32
    assert source.tolist() == [[21, 21, 21], [0, 0, 0], [11, 0, 0], [0, 0, 0]]
    assert target.tolist() == [[22, 0], [0, 0], [12, 12], [0, 0]]


@pytest.mark.parametrize("fields", [1, 3])
def test_examples_may_have_any_number_of_fields(fields):
    batches = TokenBatches([([5, 6],) * fields], batch_tokens=4, multiple=2)
    (step,) = batches.plan(0)
    assert [field.tolist() for field in batches.gather(*step)] == [[[5, 6], [0, 0]]] * fields


def test_the_plan_depends_on_seed_and_epoch_alone(examples):
    batches = TokenBatches(examples, batch_tokens=400, seed=3)
    first = indices_of(batches.plan(5))
    indices_of(batches.plan(6))
    assert indices_of(batches.plan(5)) == first
    assert indices_of(TokenBatches(examples, batch_tokens=400, seed=3).plan(5)) == first


def test_epochs_and_seeds_differ(examples):
    plans = [
        indices_of(TokenBatches(examples, batch_tokens=400, seed=seed).plan(epoch))
        for seed in (3, 4)
        for epoch in (0, 1, 4)
    ]
    assert all(one != other for one, other in itertools.combinations(plans, 2))


def test_examples_are_mixed_and_buckets_too(examples):
    plan = TokenBatches(examples, batch_tokens=400, num_buckets=4, seed=3).plan(0)
    lengths = [bucket.lengths for bucket, _ in plan]
    assert lengths != sorted(lengths)
    assert any(np.any(np.diff(indices[indices >= 0]) < 0) for _, indices in plan)


@quickly
@given(lengths=any_lengths, options=any_options)
def test_every_example_once_an_epoch(lengths, options):
    plan = TokenBatches(make_examples(lengths), **options).plan(epoch=2)
    seen = [index for indices in indices_of(plan) for index in indices if index >= 0]
    assert sorted(seen) == list(range(len(lengths)))
    assert all(any(index >= 0 for index in indices) for indices in indices_of(plan))


@quickly
@given(lengths=any_lengths, options=any_options)
def test_every_example_fits_and_comes_back(lengths, options):
    examples = make_examples(lengths)
    batches = TokenBatches(examples, **options)
    for bucket, indices in batches.plan(epoch=0):
        fields = batches.gather(bucket, indices)
        for field, length in enumerate(bucket.lengths):
            assert fields[field].shape == (bucket.rows, length)
            for row, index in zip(fields[field], indices, strict=True):
                ids = examples[index][field] if index >= 0 else []
                assert row.tolist() == ids + [0] * (length - len(ids))


@quickly
@given(lengths=any_lengths, options=any_options)
def test_rows_and_tokens_of_a_batch(lengths, options):
    multiple = options["multiple"]
    for bucket, indices in TokenBatches(make_examples(lengths), **options).plan(epoch=0):
        assert len(indices) == bucket.rows
        assert bucket.rows % multiple == 0
        # One row for each replica there must be, however long it is.
        within = bucket.rows * max(bucket.lengths) <= options["batch_tokens"]
        assert within or bucket.rows == multiple


@quickly
@given(lengths=any_lengths, options=any_options)
def test_shapes_are_at_most_as_many_as_buckets(lengths, options):
    batches = TokenBatches(make_examples(lengths), **options)
    shapes = {
        (bucket.rows, *bucket.lengths) for epoch in (0, 1) for bucket, _ in batches.plan(epoch)
    }
    assert len(shapes) <= options["num_buckets"]
    if options["num_buckets"] == 1:
        assert len(shapes) == 1


def test_rows_fill_the_budget(examples):
    batches = TokenBatches(examples, batch_tokens=2000, num_buckets=6, multiple=2)
    counts = batches._draws.sizes
    for bucket, count in zip(batches.buckets, counts, strict=True):
        most = 2000 // (2 * max(bucket.lengths)) * 2
        assert bucket.rows <= most
        # No fewer batches would do.
        assert -(-count // bucket.rows) == -(-count // most)


@pytest.mark.parametrize("number", [1, 7, 100, 300, 3000])
@pytest.mark.parametrize("batch_tokens", [500, 4096, 25_000])
def test_few_rows_are_empty(number, batch_tokens, rng):
    """Also where there are fewer examples than a batch has room for."""
    examples = make_examples(rng.integers(5, 40, (number, 2)))
    indices = np.concatenate(indices_of(TokenBatches(examples, batch_tokens).plan(0)))
    assert np.mean(indices < 0) <= 0.02
    # Four replicas get equally many rows each, so up to three rows of a batch are empty.
    indices = indices_of(TokenBatches(examples, batch_tokens, multiple=4).plan(0))
    assert np.sum(np.concatenate(indices) < 0) <= 3 * len(indices)


def test_more_buckets_pad_less(examples):
    def padded(num_buckets):
        batches = TokenBatches(examples, batch_tokens=2000, num_buckets=num_buckets)
        return sum(bucket.rows * sum(bucket.lengths) for bucket, _ in batches.plan(0))

    assert padded(8) < 0.7 * padded(1)


def test_a_row_longer_than_the_budget_is_alone():
    batches = TokenBatches(make_examples([(3, 2), (2, 3), (5, 1)]), batch_tokens=4, num_buckets=2)
    assert batches.buckets == [Bucket(1, (3, 3)), Bucket(1, (5, 1))]
    replicated = TokenBatches(make_examples([(50, 1)]), batch_tokens=6, multiple=3)
    assert replicated.buckets == [Bucket(3, (50, 1))]
    assert sorted(replicated.plan(0)[0][1].tolist()) == [-1, -1, 0]


@pytest.mark.parametrize("step", [1, 3, 4, 13])
def test_steps_from_goes_on_where_it_stopped(step):
    lengths = [(1, 2), (3, 1), (2, 2), (3, 3), (2, 5), (1, 1)]
    batches = TokenBatches(make_examples(lengths), batch_tokens=6, num_buckets=2, seed=5)
    assert len(batches.plan(0)) == 4
    expected = list(itertools.islice(batches.steps_from(0), 25))
    assert [epoch for epoch, _ in expected] == [n // 4 for n in range(25)]
    again = TokenBatches(make_examples(lengths), batch_tokens=6, num_buckets=2, seed=5)
    same_batches(itertools.islice(again.steps_from(step), 25 - step), expected[step:])


@quickly
@given(lengths=any_lengths, options=any_options, step=st.integers(0, 100))
def test_steps_from_anywhere(lengths, options, step):
    batches = TokenBatches(make_examples(lengths), **options)
    steps = batches.steps_from(0)
    same_batches(
        itertools.islice(batches.steps_from(step), 3), itertools.islice(steps, step, step + 3)
    )


def test_steps_follow_the_plan(examples):
    batches = TokenBatches(examples, batch_tokens=400)
    plan = [(0, batches.gather(*step)) for step in batches.plan(0)]
    same_batches(itertools.islice(batches.steps_from(0), len(plan)), plan)


def test_no_examples():
    with pytest.raises(UserError, match="no example"):
        TokenBatches([], batch_tokens=100)
