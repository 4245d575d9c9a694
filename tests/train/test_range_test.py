"""The learning-rate range test, and the search for the largest batch."""

import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.tasks.seq2seq.settings import Seq2SeqRecipe
from attention_zoo.train.range_test import RangeTest, largest_that_fits, range_test


def test_the_rate_rises_until_the_loss_diverges(make_task, pairs):
    settings = Seq2SeqRecipe.train_settings(batch_tokens=64, clip_norm=None)
    steps = 40
    test = range_test(make_task(), settings, pairs, lowest=1e-5, highest=1e3, steps=steps)
    assert 10 < len(test.rates) < steps
    expected = 1e-5 * 1e8 ** (np.arange(len(test.rates)) / (steps - 1))
    np.testing.assert_allclose(test.rates, expected, rtol=1e-3)
    assert test.losses.min() < 0.9 * test.losses[0]
    lowest = int(np.argmin(test.losses))
    assert test.suggestion == pytest.approx(test.rates[lowest] / 10)


def test_a_loss_that_only_rises_suggests_nothing():
    test = RangeTest(np.array([0.1, 1.0]), np.array([2.0, 3.0]))
    with pytest.raises(UserError, match="never fell below its first value, 2"):
        test.suggestion  # noqa: B018


@pytest.mark.parametrize("limit", [1, 2, 255, 256, 1000, 1023, 99_999, 100_000, 5_000_000])
def test_the_largest_that_fits(limit):
    tried = []

    def fits(number):
        tried.append(number)
        return number <= limit

    found = largest_that_fits(fits, start=256, most=100_000)
    assert min(limit, 100_000) / 1.12 - 1 <= found <= min(limit, 100_000)
    assert len(tried) == len(set(tried)) <= 20


def test_nothing_fits():
    with pytest.raises(UserError, match="not even the smallest batch fits"):
        largest_that_fits(lambda number: False, start=256, most=1000)
