"""BERT: sizes, what holds for every encoder, and an independent forward pass."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.export import runners
from attention_zoo.layers.feed_forward import activation_function
from attention_zoo.testing import ENCODER_CHECKS, ModelCase
from attention_zoo.testing.encoders import expect_same, named
from attention_zoo.zoo import PRESETS, Bert, BertClassifier, BertPretrainer, BertTokenClassifier
from attention_zoo.zoo.importers.bert_names import to_hugging_face
from attention_zoo.zoo.importers.hugging_face import hugging_face_config
from attention_zoo.zoo.weights import saved_weights

V = 13
ENCODER = {
    "vocab_size": V,
    "width": 12,
    "num_blocks": 2,
    "num_heads": 3,
    "feed_forward_width": 7,
    "max_length": 9,
    "num_segments": 3,
    "activation": "gelu_tanh",
    "dropout": 0.2,
    "attention_dropout": 0.3,
    "epsilon": 1e-3,
}
MODELS = {
    "bert": lambda: Bert(**ENCODER),
    "without a pooler": lambda: Bert(**ENCODER, pooler=False),
    "classifier": lambda: BertClassifier(4, ENCODER),
    "token classifier": lambda: BertTokenClassifier(5, ENCODER),
    "pretrainer": lambda: BertPretrainer(ENCODER),
    "without next sentences": lambda: BertPretrainer(ENCODER, next_sentence=False),
}
IDS = np.array([[2, 7, 9, 3, 0], [2, 10, 6, 1, 3]], "int32")
SEGMENTS = np.array([[0, 0, 1, 2, 0], [0, 1, 1, 1, 1]], "int32")
MASK = (IDS > 0).astype("int32")
INPUTS = {"token_ids": IDS, "segment_ids": SEGMENTS, "mask": MASK}


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    return ModelCase(MODELS[request.param])


@pytest.fixture
def model(case):
    return case.model


@pytest.mark.parametrize("check", ENCODER_CHECKS)
def test_encoder(check, case):
    assert check.applies(case)
    check(case)


# google-research/bert, README of March 2020, in millions, with the head of masked words.
@pytest.mark.parametrize(
    ("name", "published"),
    [("tiny", 4.4), ("mini", 11.3), ("small", 29.1), ("medium", 41.7), ("base", 110.1)],
)
def test_sizes_are_the_published_ones(name, published):
    model = BertPretrainer.from_preset(f"bert_{name}")
    assert round(model.count_params() / 1e6, 1) == published


def test_sizes_by_hand():
    # Devlin et al. 2019, section 3: base and large, here of the bare encoder.
    for name, blocks, width in (("base", 12, 768), ("large", 24, 1024)):
        assert PRESETS[f"bert_{name}"]["config"]["num_blocks"] == blocks
        embeddings = (30522 + 512 + 2 + 2) * width
        block = 4 * (width**2 + width) + 2 * 4 * width**2 + 4 * width + width + 4 * width
        pooler = width**2 + width
        config = Bert.from_preset(f"bert_{name}", num_blocks=1).count_params()
        assert config == embeddings + block + pooler
        assert (
            f"{(embeddings + blocks * block + pooler) / 1e6:.0f}"
            == {
                "base": "109",
                "large": "335",
            }[name]
        )


def test_segments_are_0_where_only_ids_are_given(model):
    bare = named(model({"token_ids": IDS, "segment_ids": 0 * SEGMENTS}))
    expect_same(model(IDS), bare, MASK, "ids alone", atol=0, rtol=0)


def test_every_position_sees_every_other(model):
    before = named(model(INPUTS))
    changed = IDS.copy()
    changed[1, 4] = 8
    after = named(model({**INPUTS, "token_ids": changed}))
    for name, value in before.items():
        assert_array_equal(after[name][0], value[0])
        assert (np.abs(after[name][1] - value[1]) > 1e-6).any(axis=-1).all()


@pytest.mark.parametrize("shapes", [(), ((None, 3),)])
def test_building_again_changes_no_weight(shapes, model):
    before = model.get_weights()
    model.build(*shapes)
    if hasattr(model, "bert"):
        model.bert.build(*shapes)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert_array_equal(new, old)


def test_training_has_dropout(model):
    first, second = (named(model(INPUTS, training=True)) for _ in range(2))
    name = next(iter(first))
    assert np.abs(first[name] - second[name]).max() > 1e-3


def test_states_and_weights_of_every_block(randomize):
    model = randomize(Bert(**ENCODER))
    states = model.hidden_states(INPUTS)
    assert len(states) == 3
    assert_array_equal(states[-1], model(INPUTS)["states"])
    for i, block in enumerate(model.blocks):
        assert_allclose(block(states[i], attention_mask=MASK > 0), states[i + 1], atol=1e-6)
    weights = np.asarray(model.attention_weights(INPUTS))
    assert weights.shape == (2, 2, 3, 5, 5)
    assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    assert (weights[0, :, :, :, 4] == 0).all()


def test_token_logits_of_some_positions(randomize):
    model = randomize(BertPretrainer(ENCODER))
    whole = np.asarray(model(INPUTS)["token_logits"])
    positions = np.array([[3, 1], [0, 4]], "int32")
    some = model({**INPUTS, "positions": positions})["token_logits"]
    assert_allclose(some, np.take_along_axis(whole, positions[:, :, None], 1), atol=1e-6)


def test_too_long():
    with pytest.raises(ValueError, match="max_length=9 positions, received a sequence of 10"):
        Bert(**ENCODER)(np.ones((1, 10), "int32"))


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
def test_against_an_independent_forward_pass(activation, randomize, tmp_path, monkeypatch):
    # The script makes our package impossible to import, which must end with this test.
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "path", [*sys.path])
    model = randomize(BertPretrainer({**ENCODER, "activation": activation}))
    folder = Path(runners.__file__).parent
    reference = runpy.run_path(str(folder / "run_hugging_face.py"))["Bert"]
    config = hugging_face_config(model.bert, "BertForPreTraining")
    arrays = {name: v.numpy() for name, v in saved_weights(model).items()}
    (tmp_path / "config.json").write_text(json.dumps(config))
    content = safetensors.numpy.save(to_hugging_face(arrays))
    (tmp_path / "model.safetensors").write_bytes(content)
    expected = reference(str(tmp_path))(IDS, MASK, SEGMENTS)["token_logits"]
    logits = np.asarray(model(INPUTS)["token_logits"])
    assert_allclose(logits[MASK > 0], expected[MASK > 0], atol=1e-5)


def test_gelu_by_tanh():
    x = np.array([-3.0, -0.5, 0.0, 0.5, 3.0], "float32")
    expected = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    assert_allclose(activation_function("gelu_tanh")(x), expected, atol=1e-6)


def test_initial_weights_are_those_of_the_paper():
    model = BertClassifier(4, {**ENCODER, "width": 96, "num_heads": 4, "vocab_size": 500})
    for variable in model.trainable_variables:
        value = variable.numpy()
        if variable.name in ("kernel", "table"):
            assert np.abs(value).max() <= 0.04
            # A normal distribution cut at two deviations has 0.88 of its deviation.
            assert value.size < 1000 or value.std() == pytest.approx(0.0176, rel=0.05)
        else:
            assert set(np.unique(value)) <= {0.0, 1.0}
