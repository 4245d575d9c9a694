"""Files `.keras` of our layers and models, loaded by a process that has only imported us."""

import inspect
import json

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference.backends import run_python
from reference.layer_examples import EXAMPLES, LAYERS

from attention_zoo.layers import EncoderBlock, LuongAttention
from attention_zoo.train import schedules
from attention_zoo.train.optimizer import AdamW
from attention_zoo.zoo import MODELS

IDS = np.array([[2, 7, 9, 3, 0], [2, 10, 6, 1, 3]], "int32")
SIZE = {"width": 12, "num_heads": 3, "dropout": 0.0, "attention_dropout": 0.0}
ENCODER = {"vocab_size": 13, "num_blocks": 1, "max_length": 9, **SIZE}
# Without dropout, which every backend draws in its own way.
PROJECTION = {"units": 3, "use_bias": False, "activation": "tanh"}
MADE = {
    "Bert": lambda: MODELS["Bert"](**ENCODER),
    "BertClassifier": lambda: MODELS["BertClassifier"](4, ENCODER),
    "BertEmbedder": lambda: MODELS["BertEmbedder"](["max", "lasttoken"], [PROJECTION], ENCODER),
    "BertPretrainer": lambda: MODELS["BertPretrainer"](ENCODER),
    "BertTokenClassifier": lambda: MODELS["BertTokenClassifier"](5, ENCODER),
    "RNNAttention": lambda: MODELS["RNNAttention"](13, width=6, attention="luong", dropout=0.0),
    "Transformer": lambda: MODELS["Transformer"](
        13, **SIZE, feed_forward_width=7, num_encoder_blocks=1, num_decoder_blocks=1
    ),
}
SCHEDULES = {
    "Noam": schedules.Noam(512, 100),
    "InverseSqrt": schedules.InverseSqrt(0.1, 3),
    "Constant": schedules.Constant(0.1, 3),
    "Cosine": schedules.Cosine(0.1, 50, 3),
    "LinearDecay": schedules.LinearDecay(0.1, 50, 3),
}
# Those that also take a step of training.
TRAINED = ["Recurrent, gru", "AdditiveDecoder", "Transformer"]
# Loads the files named on standard input, and writes what each model gives: when it is asked,
# in training, and after a step of training.
LOADER = """
import json, sys
import keras, numpy as np
import attention_zoo.layers, attention_zoo.train.optimizer, attention_zoo.train.schedules
from attention_zoo.zoo import MODELS
list(MODELS.values())  # which imports them
backend = keras.backend.backend()
names, trained = json.load(sys.stdin)
for name in names:
    model = keras.models.load_model(f"{name}.keras", safe_mode=True)
    with np.load(f"{name}.npz") as inputs:
        given = {key: inputs[key] for key in inputs}
    given = list(given.values()) if "0" in given else given
    results = {"asked": model(given), "training": model(given, training=True)}
    if name in trained:
        model.compile(keras.optimizers.SGD(0.01), "mse")
        zeros = keras.tree.map_structure(lambda x: np.zeros(x.shape, "float32"), results["asked"])
        model.train_on_batch(given, zeros)
        results["trained"] = model(given)
    np.savez(f"{name}.{backend}.npz", **{
        f"{key}_{i}": keras.ops.convert_to_numpy(value)
        for key, values in results.items()
        for i, value in enumerate(keras.tree.flatten(values))
    })
"""


def asked(name):
    """What a model of `MADE` is asked: a list, or a dict."""
    return [IDS, IDS] if name in ("RNNAttention", "Transformer") else {"token_ids": IDS}


def nested():
    """A functional model with a model of ours in it, as one would fine-tune it."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    states = MADE["Bert"]()({"token_ids": ids})["states"]
    return keras.Model({"token_ids": ids}, keras.layers.GlobalMaxPooling1D()(states))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of files, and the models in them with what they are asked, by name."""
    keras.utils.set_random_seed(7)
    folder, models = tmp_path_factory.mktemp("files"), {}
    for name, example in EXAMPLES.items():
        none = {key: 0.0 for key in example.arguments if key.endswith("dropout")}
        layer = example.make(**none)
        models[name] = (example.case().functional(layer), example.draw())
    example = EXAMPLES["EncoderBlock, defaults"]
    layer = example.make(activation=keras.activations.silu)
    models["activation"] = (example.case().functional(layer), example.draw())
    models |= {name: (make(), asked(name)) for name, make in MADE.items()}
    models["nested"] = (nested(), {"token_ids": IDS})
    for name, (model, inputs) in models.items():
        model.save(folder / f"{name}.keras")
        arrays = inputs if isinstance(inputs, dict) else dict(zip("01", inputs, strict=True))
        np.savez(folder / f"{name}.npz", **arrays)
    return folder, models


def outputs_of(folder, models, backend):
    """What a process with another backend makes of the files: arrays by model and name."""
    asked = json.dumps([list(models), TRAINED])
    run = run_python("-c", LOADER, backend=backend, cwd=folder, input=asked)
    assert run.returncode == 0, run.stderr[-3000:]
    found = {}
    for name in models:
        with np.load(folder / f"{name}.{backend}.npz") as file:
            found[name] = dict(file)
    return found


@pytest.fixture(scope="module")
def on_tensorflow(saved):
    return outputs_of(*saved, "tensorflow")


def test_a_fresh_process_loads_every_layer_and_model(saved, on_tensorflow):
    for name, (model, inputs) in saved[1].items():
        for i, own in enumerate(keras.tree.flatten(model(inputs))):
            assert_array_equal(on_tensorflow[name][f"asked_{i}"], own, err_msg=name)


@pytest.mark.slow
def test_jax_gives_the_same(saved, on_tensorflow):
    folder, models = saved
    # JAX cuts no table to an unknown length: there a model of ours in a functional one needs a
    # known one.
    models = {name: models[name] for name in models if name != "nested"}
    for name, outputs in outputs_of(folder, models, "jax").items():
        assert outputs.keys() == on_tensorflow[name].keys()
        for key, array in outputs.items():
            expected = on_tensorflow[name][key]
            assert_allclose(array, expected, atol=1e-4, rtol=1e-4, err_msg=f"{name} {key}")


@pytest.mark.parametrize("name", [*LAYERS, *MODELS, *SCHEDULES, "AdamW", "Lion", "Adafactor"])
def test_registered_names_are_part_of_the_file_format(name):
    found = keras.saving.get_registered_object(f"attention_zoo>{name}")
    assert found.__name__ == name
    assert keras.saving.get_registered_name(found) == f"attention_zoo>{name}"


def test_everything_public_is_here():
    assert MADE.keys() == MODELS.keys()
    subclasses = [
        name
        for name, cls in inspect.getmembers(schedules, inspect.isclass)
        if issubclass(cls, schedules._Schedule) and not name.startswith("_")
    ]
    assert sorted(SCHEDULES) == subclasses


def half(variable):
    return 0.5


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (i > 1)) for i, name in enumerate(SCHEDULES)],
)
def test_a_compiled_model_goes_on_as_it_would_have(name, rng, tmp_path):
    keras.saving.register_keras_serializable("test")(half)
    inputs, targets = rng.normal(size=(4, 3, 12)), rng.normal(size=(4, 3, 12))
    model = keras.Sequential([keras.Input((3, 12)), EncoderBlock(3, 7)])
    model.compile(AdamW(SCHEDULES[name], weight_decay=0.3, rates=half, beta_2=0.9), "mse")
    model.fit(inputs, targets, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is AdamW
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for one in (model, loaded):
        one.fit(inputs, targets, verbose=0)
    for own, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert_array_equal(own, other)


def test_an_optimizer_whose_rates_are_not_registered_says_so():
    config = AdamW(0.1, rates=lambda variable: 2.0).get_config()
    with pytest.raises(ValueError, match="rates must be a function or the name of a registered"):
        AdamW.from_config(config)


def test_a_score_that_is_not_registered_says_so():
    with pytest.raises(ValueError, match="a function or the name of a registered function"):
        LuongAttention(score="nothing>of the kind")
