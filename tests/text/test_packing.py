"""Packed rows: every example once, none cut, few empty places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.text.packing import PackedBatches

lengths_of_pairs = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=80
)


def make_examples(lengths):
    return [
        tuple([2 * number + field] * length for field, length in enumerate(pair))
        for number, pair in enumerate(lengths, start=1)
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(lengths_of_pairs, st.integers(30, 70), st.integers(1, 400), st.integers(0, 3))
def test_every_example_once_whole_and_apart(lengths, length, batch_tokens, epoch):
    examples = make_examples(lengths)
    batches = PackedBatches(examples, batch_tokens, length, seed=5)
    plan = batches.plan(epoch)
    assert len(plan) == len(batches.plan(0))
    seen = []
    for bucket, rows in plan:
        assert bucket == batches.bucket
        assert bucket.rows * length <= max(batch_tokens, length)
        source, target, source_segments, target_segments = batches.gather(bucket, rows)
        assert source.shape == (bucket.rows, bucket.lengths[0]) == source_segments.shape
        assert target.shape == (bucket.rows, bucket.lengths[1]) == target_segments.shape
        for row, indices in enumerate(rows):
            seen += indices.tolist()
            for field, segments, side in (
                (source, source_segments, 0),
                (target, target_segments, 1),
            ):
                for segment, index in enumerate(indices, start=1):
                    found = field[row][segments[row] == segment]
                    assert found.tolist() == examples[index][side]
                assert not field[row][segments[row] == 0].any()
                ids = segments[row][segments[row] > 0]
                assert (np.diff(ids) >= 0).all()
    assert sorted(seen) == list(range(len(examples)))


def test_rows_are_nearly_full(rng):
    lengths = np.clip(rng.lognormal(3, 0.6, (5000, 1)) * [1, 0.8], 1, 128).astype(int)
    batches = PackedBatches(make_examples(lengths), batch_tokens=2048, length=128)
    assert batches.bucket.lengths == (128, 128 if lengths[:, 1].max() > 103 else 103)
    places = len(batches.plan(0)) * batches.bucket.rows * 128
    assert lengths[:, 0].sum() / places > 0.95


def test_epochs_combine_other_examples(rng):
    batches = PackedBatches(make_examples(rng.integers(1, 20, (300, 2))), 400, 40, seed=2)

    def rows(epoch):
        return {tuple(row.tolist()) for _, step in batches.plan(epoch) for row in step}

    assert len(rows(0) & rows(1)) < len(rows(0)) / 10
    assert rows(1) == rows(1)


def test_parts_of_a_step_are_its_rows(rng):
    batches = PackedBatches(make_examples(rng.integers(1, 20, (50, 2))), 120, 40)
    assert batches.bucket.rows == 3
    _, whole = next(batches.steps_from(1, multiple=4))
    parts = [next(batches.steps_from(1, 4, (index, 2)))[1] for index in range(2)]
    for field, *halves in zip(whole, *parts, strict=True):
        assert field.shape[0] == 4
        np.testing.assert_array_equal(field, np.concatenate(halves))


def test_an_example_longer_than_a_row_is_refused():
    with pytest.raises(UserError, match="an example has 31 ids, more than a packed row of 30"):
        PackedBatches(make_examples([(31, 2)]), 100, 30)
