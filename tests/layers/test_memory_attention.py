"""Additive and Luong's attention against NumPy."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import AdditiveAttention, LuongAttention
from attention_zoo.layers.memory_attention import MemoryAttention

B, T, S, Q, D, A = 2, 3, 5, 4, 6, 7
MASK = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]], bool)


@keras.saving.register_keras_serializable("tests")
def negative_distance(query, key):
    difference = keras.ops.expand_dims(query, 2) - keras.ops.expand_dims(key, 1)
    return -keras.ops.sum(keras.ops.square(difference), axis=-1)


def dot(query, memory, _):
    return np.einsum("btq,bsq->bts", query, memory)


def general(query, memory, weights):
    return np.einsum("btq,dq,bsd->bts", query, weights["key/kernel"], memory)


def additive(query, memory, weights):
    query = query @ weights["query/kernel"]
    memory = memory @ weights["key/kernel"]
    return np.tanh(query[:, :, None] + memory[:, None]) @ weights["scale"]


def concat(query, memory, weights):
    """As the paper writes it: one matrix over the two joined."""
    joined = np.concatenate(
        [
            np.repeat(query[:, :, None], memory.shape[1], axis=2),
            np.repeat(memory[:, None], query.shape[1], axis=1),
        ],
        axis=3,
    )
    matrix = np.concatenate([weights["network/query/kernel"], weights["network/key/kernel"]])
    return np.tanh(joined @ matrix) @ weights["network/scale"]


def distance(query, memory, _):
    return -((query[:, :, None] - memory[:, None]) ** 2).sum(-1)


CASES = {
    "additive": (lambda: AdditiveAttention(A), Q, additive),
    "dot": (lambda: LuongAttention("dot"), D, dot),
    "general": (lambda: LuongAttention("general"), Q, general),
    "concat": (lambda: LuongAttention("concat"), Q, concat),
    "a function": (lambda: LuongAttention(negative_distance), D, distance),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("masked", [False, True])
def test_agrees_with_numpy(masked, case, rng, randomize):
    make, width, score = CASES[case]
    query = rng.normal(size=(B, T, width)).astype("float32")
    memory = rng.normal(size=(B, S, D)).astype("float32")
    layer = make()
    layer.build(query.shape, memory.shape)
    randomize(layer)
    weights = {w.path.split("/", 1)[1]: w.numpy() for w in layer.weights}
    scores = score(query, memory, weights)
    if masked:
        scores = np.where(MASK[:, None], scores, -np.inf)
    expected = np.exp(scores - scores.max(-1, keepdims=True))
    expected /= expected.sum(-1, keepdims=True)
    context, attention = layer(
        query, memory, attention_mask=MASK if masked else None, return_weights=True
    )
    assert_allclose(attention, expected, atol=1e-5)
    assert_allclose(context, np.einsum("bts,bsd->btd", expected, memory), atol=1e-5)
    if masked:
        assert_array_equal(attention.numpy().transpose(0, 2, 1)[~MASK], 0)


def test_a_registered_function_comes_back_by_its_name():
    layer = LuongAttention(negative_distance)
    assert layer.get_config()["score"] == "tests>negative_distance"
    assert LuongAttention.from_config(layer.get_config()).score is negative_distance


def test_refuses_an_unknown_score():
    with pytest.raises(ValueError, match=r"score must be one of .*received 'cosine'"):
        LuongAttention("cosine")


def test_dot_needs_equal_widths():
    with pytest.raises(ValueError, match="received 4 and 6; score='general' accepts any"):
        LuongAttention("dot")(np.ones((B, T, Q), "f4"), np.ones((B, S, D), "f4"))


def test_a_score_must_be_given():
    with pytest.raises(NotImplementedError, match="MemoryAttention does not define scores"):
        MemoryAttention()(np.ones((B, T, Q), "f4"), np.ones((B, S, D), "f4"))
