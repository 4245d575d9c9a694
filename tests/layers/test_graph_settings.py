"""Settings that exports change while they trace a model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import AdditiveDecoder, DecoderBlock, MultiHeadAttention
from attention_zoo.layers.functional import MASKED_SCORE
from attention_zoo.layers.graph_settings import graph_settings


@pytest.fixture
def layer():
    layer = MultiHeadAttention(2)
    layer.build((None, None, 4))
    for weight in layer.weights:
        weight.assign(0 * weight)
    return layer


def test_settings_hold_within_the_block_and_for_one_model(layer):
    inputs, mask = np.ones((1, 2, 4), "f4"), np.array([[True, False]])

    def weights(layer):
        return layer(inputs, attention_mask=mask, return_weights=True)[1][0, 0, 0]

    other = MultiHeadAttention(2)
    with graph_settings(layer, masked_score=-2.0):
        assert_allclose(weights(layer), [0.880797, 0.119203], atol=1e-6)
        assert_array_equal(weights(other), [1.0, 0.0])
    assert_array_equal(weights(layer), [1.0, 0.0])


def test_settings_come_back_after_an_error(layer):
    with pytest.raises(ValueError, match="stop"), graph_settings(layer, writes_in_place=True):
        assert layer.writes_in_place
        raise ValueError("stop")
    assert not layer.writes_in_place


def test_settings_reach_every_attention_inside():
    block, decoder = DecoderBlock(2, 3), AdditiveDecoder(4)
    for model, layers in (
        (block, [block.self_attention, block.cross_attention]),
        (decoder, [decoder.attention_layer]),
    ):
        with graph_settings(model, masked_score=-5.0):
            assert [layer.masked_score for layer in layers] == [-5.0] * len(layers)
        assert [layer.masked_score for layer in layers] == [MASKED_SCORE] * len(layers)
