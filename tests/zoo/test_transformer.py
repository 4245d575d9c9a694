from collections import Counter

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import transformer as reference
from reference import weights

from attention_zoo.layers.keras_internals import sublayers
from attention_zoo.zoo import Transformer

B, T, S, H, K, F, V, W = 2, 4, 5, 3, 6, 7, 13, 11
D = H * K
SOURCE = np.array([[5, 6, 3, 0, 0], [4, 3, 7, 8, 9]], "int32")
TARGET = np.array([[2, 7, 9, 3], [2, 10, 6, 1]], "int32")
CLOSE = {"atol": 1e-5, "rtol": 1e-5}

# The paper's kind and the other: between them every option takes both values.
POST = {
    "width": D,
    "num_heads": H,
    "feed_forward_width": F,
    "num_encoder_blocks": 1,
    "num_decoder_blocks": 2,
    "max_length": 8,
}
PRE = {
    **POST,
    "target_vocab_size": W,
    "share_embeddings": False,
    "tie_output": False,
    "positions": "learned",
    "activation": "gelu",
    "norm": "pre",
    "dropout": 0.2,
    "attention_dropout": 0.3,
    "activation_dropout": 0.4,
    "attention_bias": True,
    "epsilon": 1e-3,
}


@pytest.fixture
def model(options, randomize):
    return randomize(Transformer(V, **options))


def paper_parameters(vocab, width, inner, blocks=6):
    """Table 3 of the paper: no biases in attention, one embedding for everything."""
    attention = 4 * width * width
    feed_forward = (width * inner + inner) + (inner * width + width)
    norm = 2 * width
    encoder_block = attention + feed_forward + 2 * norm
    decoder_block = 2 * attention + feed_forward + 3 * norm
    return vocab * width + blocks * (encoder_block + decoder_block)


@pytest.mark.parametrize(
    ("preset", "width", "inner", "exactly", "in_the_paper"),
    [
        ("transformer_base", 512, 2048, 63_045_632, 65e6),
        ("transformer_big", 1024, 4096, 214_171_648, 213e6),
    ],
)
def test_parameters_of_the_paper(preset, width, inner, exactly, in_the_paper):
    model = Transformer.from_preset(preset, source_vocab_size=37_000)
    assert model.count_params() == paper_parameters(37_000, width, inner) == exactly
    # The paper's vocabulary is of "about 37000" and its figures are rounded.
    assert exactly == pytest.approx(in_the_paper, rel=0.04)


@pytest.mark.parametrize("share_embeddings", [True, False])
@pytest.mark.parametrize("tie_output", [True, False])
def test_parameters_of_separate_embeddings_and_output(tie_output, share_embeddings):
    model = Transformer(V, tie_output=tie_output, share_embeddings=share_embeddings, **POST)
    shared = Transformer(V, **POST).count_params()
    own_source = 0 if share_embeddings else V * D
    own_output = 0 if tie_output else D * V
    assert model.count_params() == shared + own_source + own_output


@pytest.mark.parametrize("tie_output", [True, False])
@pytest.mark.parametrize("share_embeddings", [True, False])
@pytest.mark.parametrize(
    "kind",
    [
        {"norm": "post", "positions": "sinusoidal", "activation": "relu"},
        {"norm": "pre", "positions": "learned", "activation": "gelu", "attention_bias": True},
    ],
    ids=["paper", "other"],
)
def test_agrees_with_the_reference(kind, share_embeddings, tie_output, randomize):
    target_vocab = V if share_embeddings else W
    options = {"share_embeddings": share_embeddings, "tie_output": tie_output, **kind}
    model = randomize(Transformer(V, target_vocab, **POST, **options))
    logits = model([SOURCE, TARGET])
    expected = reference.transformer(
        SOURCE, TARGET, weights.transformer(model), H, kind["activation"], kind["norm"]
    )
    assert logits.shape == (B, T, target_vocab)
    assert_allclose(logits, expected, **CLOSE)


def test_dropout_and_epsilon_reach_their_layers():
    layers = sublayers(Transformer(V, **PRE))
    epsilons = {layer.epsilon for layer in layers if hasattr(layer, "gamma")}
    assert epsilons == {PRE["epsilon"]}
    rates = Counter(layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout))
    # One encoder block of 2 sub-layers, two decoder blocks of 3, the two embeddings.
    assert rates == {0.2: 2 + 2 * 3 + 2, 0.3: 1 + 2 * 2, 0.4: 1 + 2}


@pytest.mark.parametrize("options", [POST], ids=["post"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_embeddings_pass_through_dropout(side, model):
    before = model([SOURCE, TARGET])
    setattr(model, f"{side}_dropout", lambda hidden: 0 * hidden)
    assert np.abs(model([SOURCE, TARGET]) - before).max() > 0.1


def test_refuses_to_share_embeddings_of_two_vocabularies():
    with pytest.raises(ValueError, match="source_vocab_size=13, target_vocab_size=11"):
        Transformer(V, W, **POST)


def test_refuses_unknown_positions():
    with pytest.raises(ValueError, match=r"positions must be one of .*sinusoidal.* 'rotary'"):
        Transformer(V, positions="rotary", **POST)


def test_refuses_a_sequence_longer_than_its_positions():
    model = Transformer(V, **POST)
    with pytest.raises(ValueError, match=r"source_position has max_length=8 .* of 9"):
        model([np.ones((1, 9), "int32"), TARGET[:1]])
    with pytest.raises(ValueError, match=r"target_position has max_length=8 .* of 9"):
        model([SOURCE[:1], np.ones((1, 9), "int32")])
