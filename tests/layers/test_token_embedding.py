import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import TokenEmbedding

TABLE = np.array([[1, 2, 3, 4], [0, 0, 0, 1], [5, 0, -5, 0]])


def embedding(**options):
    layer = TokenEmbedding(vocab_size=3, width=4, **options)
    layer.build()
    layer.set_weights([TABLE])
    return layer


def test_vectors_are_scaled_by_the_root_of_the_width():
    output = embedding()(np.array([[2, 0]]))
    assert_array_equal(output, [[[10, 0, -10, 0], [2, 4, 6, 8]]])


def test_vectors_without_scale():
    assert_array_equal(embedding(scale=False)(np.array([[2, 0]])), [TABLE[[2, 0]]])


def test_ids_of_any_rank():
    assert embedding()(np.array([1, 2])).shape == (2, 4)
    assert embedding()(np.ones((2, 3, 5), "int32")).shape == (2, 3, 5, 4)


@pytest.mark.parametrize("scale", [True, False])
def test_logits_are_products_with_the_unscaled_table(scale):
    logits = embedding(scale=scale).logits(np.array([[[1, 0, 0, 2], [0, 1, 1, 0]]], "float32"))
    assert_allclose(logits, [[[9, 2, 5], [5, 0, -5]]])


def test_logits_start_with_unit_variance(rng):
    layer = TokenEmbedding(vocab_size=500, width=64)
    layer.build()
    logits = layer.logits(rng.normal(size=(1, 40, 64)).astype("float32"))
    assert np.std(logits.numpy()) == pytest.approx(1, abs=0.05)
