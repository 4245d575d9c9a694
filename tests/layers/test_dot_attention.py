import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import ScaledDotProductAttention

QUERY = np.array([[[2 * math.log(3), 0, 0, 0]]], "float32")
KEY = np.array([[[1, 0, 0, 0], [0, 5, 0, 0]]], "float32")
VALUE = np.array([[[4, 8, 0], [0, 4, 12]]], "float32")


def test_attends_by_hand():
    output, weights = ScaledDotProductAttention()(QUERY, KEY, VALUE, return_weights=True)
    assert_allclose(weights, [[[0.75, 0.25]]], rtol=1e-6)
    assert_allclose(output, [[[3, 7, 3]]], rtol=1e-6)


def test_keys_are_the_values_when_there_are_none():
    assert_allclose(ScaledDotProductAttention()(QUERY, KEY), [[[0.75, 1.25, 0, 0]]], rtol=1e-6)


@pytest.mark.parametrize("mask", [[[False, True]], [[[False, True]]]], ids=["BS", "BTS"])
def test_mask(mask):
    output, weights = ScaledDotProductAttention()(
        QUERY, KEY, VALUE, attention_mask=np.array(mask), return_weights=True
    )
    assert_array_equal(weights, [[[0, 1]]])
    assert_array_equal(output, [[[0, 4, 12]]])


def test_dropout_only_in_training():
    layer = ScaledDotProductAttention(dropout=0.5)
    many = np.ones((2, 40, 3), "float32")
    assert_allclose(layer(many, many), many, rtol=1e-6)
    assert np.std(layer(many, many, training=True).numpy()) > 0.01
