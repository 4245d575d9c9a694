import math

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from reference import transformer as reference

from attention_zoo.layers import (
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
    sinusoid,
)
from attention_zoo.layers.functional import (
    attention_weights,
    write_slots,
)


def test_padding_mask_is_true_on_tokens():
    ids = np.array([[7, 9, 0], [4, 0, 0]])
    assert_array_equal(padding_mask(ids), [[True, True, False], [True, False, False]])


def test_padding_mask_takes_another_pad_id():
    assert_array_equal(padding_mask(np.array([[7, 9, 0]]), pad_id=9), [[True, False, True]])


def test_causal_mask_allows_itself_and_the_past():
    assert_array_equal(
        causal_mask(4),
        [
            [True, False, False, False],
            [True, True, False, False],
            [True, True, True, False],
            [True, True, True, True],
        ],
    )


def test_attention_weights_by_hand():
    scores = np.log([[1.0, 2.0, 5.0]]).astype("float32")
    assert_allclose(attention_weights(scores), [[0.125, 0.25, 0.625]], rtol=1e-6)


def test_masked_keys_get_exactly_nothing():
    scores = np.log([[1.0, 2.0, 5.0]]).astype("float32")
    weights = ops.convert_to_numpy(attention_weights(scores, np.array([[True, False, True]])))
    assert weights[0, 1] == 0.0
    assert_allclose(weights, [[1 / 6, 0, 5 / 6]], rtol=1e-6)


def test_a_mask_holds_against_the_largest_scores():
    scores = np.array([[-1e4, 3e4]], "float32")
    assert_array_equal(attention_weights(scores, np.array([[True, False]])), [[1.0, 0.0]])


def test_a_query_that_may_attend_to_nothing_gets_equal_weights():
    scores = np.array([[3.0, -7.0, 2.0, 0.0]], "float32")
    assert_allclose(attention_weights(scores, np.zeros((1, 4), bool)), [[0.25] * 4])


def test_masked_score():
    weights = attention_weights(np.zeros((1, 2), "f4"), np.array([[True, False]]), -2.0)
    assert_allclose(weights, [[0.880797, 0.119203]], atol=1e-6)


def test_a_single_key_gets_all_and_no_warning():
    assert_array_equal(attention_weights(np.array([[3.0], [-7.0]], "float32")), [[1], [1]])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_attention_weights_keep_the_dtype_of_the_scores(dtype):
    scores = ops.cast(np.array([[0.0, 2.0, 4.0]]), dtype)
    weights = attention_weights(scores, np.array([[True, True, False]]))
    assert ops.dtype(weights) == dtype
    assert_allclose(ops.cast(weights, "float32"), [[0.119203, 0.880797, 0]], atol=2e-3)


def test_scaled_dot_product_by_hand():
    # Width 4, so scores are halved: ln 3 and 0, and the weights 3/4 and 1/4.
    query = np.array([[[2 * math.log(3), 0, 0, 0]]], "float32")
    key = np.array([[[1, 0, 0, 0], [0, 5, 0, 0]]], "float32")
    value = np.array([[[4, 8, 0], [0, 4, 12]]], "float32")
    output, weights = scaled_dot_product_attention(query, key, value)
    assert_allclose(weights, [[[0.75, 0.25]]], rtol=1e-6)
    assert_allclose(output, [[[3, 7, 3]]], rtol=1e-6)


def test_scaled_dot_product_takes_any_leading_axes(rng):
    query, key, value = (
        rng.normal(size=(2, 4, *shape)).astype("float32") for shape in ((3, 7), (5, 7), (5, 6))
    )
    allowed = rng.random((2, 1, 3, 5)) < 0.7
    allowed[..., 0] = True
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    scores = np.einsum("BHTK,BHSK->BHTS", query, key) / math.sqrt(7)
    expected = reference.softmax(np.where(allowed, scores, -np.inf))
    assert_allclose(weights, expected, atol=1e-6)
    assert_allclose(output, expected @ value, atol=1e-5)


def test_dropout_acts_on_the_output_and_not_on_the_returned_weights():
    ones = np.ones((1, 2, 3), "float32")
    output, weights = scaled_dot_product_attention(ones, ones, ones, dropout=lambda w: 0 * w)
    assert_array_equal(output, np.zeros((1, 2, 3)))
    assert_array_equal(weights, np.full((1, 2, 2), 0.5))


@pytest.mark.parametrize(
    ("position", "width", "expected"),
    [
        (0, 4, [0, 1, 0, 1]),
        (1, 2, [0.841471, 0.540302]),
        (1, 4, [0.841471, 0.540302, 0.00999983, 0.99995]),
        (2, 6, [0.909297, -0.416147, 0.0926985, 0.9956942, 0.00430886, 0.9999907]),
    ],
)
def test_sinusoid_by_hand(position, width, expected):
    assert_allclose(sinusoid(3, width)[position], expected, atol=1e-6)


def test_sinusoid_agrees_with_the_reference_far_out():
    table = sinusoid(600, 10)
    assert table.dtype == "float32"
    assert_allclose(table, reference.sinusoid(600, 10), atol=1e-6)


def test_sinusoid_refuses_odd_widths():
    with pytest.raises(ValueError, match="even width, received width=5"):
        sinusoid(3, 5)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("group", [0, 1, 4])
def test_slots_are_written_alike_in_place_and_not(number, group, rng):
    cache = rng.normal(size=(2, 4, 5 * number, 7)).astype("float32")
    update = rng.normal(size=(2, 4, number, 7)).astype("float32")
    expected = cache.copy()
    expected[:, :, group * number : (group + 1) * number] = update
    assert_array_equal(write_slots(cache, update, group * number), expected)
    in_place = write_slots(cache, update, group * number, in_place=True)
    assert_array_equal(in_place, expected)
