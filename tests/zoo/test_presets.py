import numpy as np
import pytest

from attention_zoo.zoo import MODELS, PRESETS, RNNAttention, Transformer


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_belongs_to_a_model_and_is_described(name):
    preset = PRESETS[name]
    assert set(preset) == {"model", "description", "config"}
    assert preset["model"] in MODELS
    assert preset["description"]


def test_from_preset_takes_its_numbers_and_the_overrides():
    model = Transformer.from_preset("transformer_tiny", source_vocab_size=9, num_heads=2)
    config = model.get_config()
    expected = {**PRESETS["transformer_tiny"]["config"], "source_vocab_size": 9, "num_heads": 2}
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "layers", "cells"),
    [
        ("rnn_attention_tiny", 1, 128),
        ("rnn_attention_small", 2, 256),
        ("gnmt_small", 4, 512),
    ],
)
def test_recurrent_presets(name, layers, cells):
    model = RNNAttention.from_preset(name, source_vocab_size=9)
    assert (model.num_encoder_layers, model.num_decoder_layers, model.width) == (
        layers,
        layers,
        cells,
    )
    assert model([np.array([[5, 6, 3]]), np.array([[2, 7]])]).shape == (1, 2, 9)


def test_from_preset_names_those_there_are():
    with pytest.raises(ValueError, match=r"no preset 'huge' for Transformer; .*transformer_base"):
        Transformer.from_preset("huge", source_vocab_size=9)


def test_from_preset_refuses_a_preset_of_another_model(monkeypatch):
    other = {"model": "Other", "description": "", "config": {}}
    monkeypatch.setitem(PRESETS, "other_base", other)
    with pytest.raises(ValueError, match="no preset 'other_base' for Transformer"):
        Transformer.from_preset("other_base", source_vocab_size=9)


def test_from_preset_needs_a_vocabulary():
    with pytest.raises(TypeError, match="source_vocab_size"):
        Transformer.from_preset("transformer_tiny")
