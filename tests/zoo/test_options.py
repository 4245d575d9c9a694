"""Options of models against the constructors, and what is out of range for every preset."""

import inspect
import subprocess
import sys

import pytest

from attention_zoo.errors import UserError
from attention_zoo.tasks.settings import TASKS
from attention_zoo.zoo import MODELS, PRESETS, Bert, Transformer
from attention_zoo.zoo.options import _OPTIONS, model_options

# What the tokenizers, the labels and the precision decide.
NOT_THEIRS = {"self", "kwargs", "source_vocab_size", "target_vocab_size", "vocab_size"}
NOT_THEIRS |= {"encoder", "num_outputs", "poolings", "projections"}


def arguments(model):
    """The constructor's arguments and their defaults, of a head with those of BERT."""
    classes = (Bert, MODELS[model]) if model.startswith("Bert") else (MODELS[model],)
    found = {}
    for cls in classes:
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            if name not in NOT_THEIRS:
                found[name] = parameter.default
    return found


@pytest.mark.parametrize("model", _OPTIONS)
def test_names_and_defaults_are_the_constructors(model):
    fields = _OPTIONS[model].model_fields
    assert {name: field.default for name, field in fields.items()} == arguments(model)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_within_the_ranges(name):
    model = PRESETS[name]["model"]
    assert (
        model_options(model, PRESETS[name]["config"], {}, name, 32_000) == PRESETS[name]["config"]
    )


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("width", value) for value in (0, 7, None, "abc", True, 10**9)),
        *(("dropout", value) for value in (2, -0.1, float("nan"))),
        *(("max_length", value) for value in (1, 10**9)),
    ],
)
def test_what_is_out_of_range_is_refused_for_every_preset(name, option, value):
    model, base = PRESETS[name]["model"], PRESETS[name]["config"]
    with pytest.raises(UserError, match=option if value != 7 else "must divide|even"):
        model_options(model, {option: value}, base, name)


@pytest.mark.parametrize(
    ("given", "vocab_size", "size"),
    [
        # By hand: blocks of 1024 (4 1024 + 2 4096) and 1024 (8 1024 + 2 4096), 1024 positions
        # and tokens.
        ({"num_encoder_blocks": 1000, "num_decoder_blocks": 1000}, 0, "29,360,390,144"),
        ({}, 10_000_000, "10,416,"),
    ],
)
def test_a_model_that_no_memory_holds_is_refused(given, vocab_size, size):
    base = PRESETS["transformer_big"]["config"]
    with pytest.raises(UserError, match=f"would have about {size}.* weights; the limit is 10,000"):
        model_options("Transformer", given, base, "transformer_big", vocab_size)


def test_the_estimate_is_near_the_truth():
    base = PRESETS["transformer_tiny"]["config"]
    model = Transformer(5000, **base)
    options = _OPTIONS["Transformer"](**base)
    assert options.weights(5000) == pytest.approx(model.count_params(), rel=0.1)


def test_options_have_their_types():
    assert model_options("Bert", {"epsilon": "1e-7"}, {}, "x") == {"epsilon": 1e-7}


def test_which_class_a_task_makes_of_a_preset():
    fill_mask, seq2seq = TASKS["fill_mask"], TASKS["seq2seq"]
    assert seq2seq.model_class_name(seq2seq.family_of("gnmt_small")) == "RNNAttention"
    assert fill_mask.model_class_name(fill_mask.family_of("bert_tiny")) == "BertPretrainer"
    with pytest.raises(UserError, match="bert_tiny is not a model for this task, seq2seq; acc"):
        seq2seq.family_of("bert_tiny")
    with pytest.raises(
        UserError, match=r"gnmt_small is not a model for this task, tag; .*bert_base"
    ):
        TASKS["tag"].family_of("gnmt_small")


def test_presets_and_recipes_are_read_without_keras():
    source = (
        "import sys, attention_zoo.recipes.recipe, attention_zoo.zoo.presets, attention_zoo.zoo;"
        "assert not {'keras', 'tensorflow'} & set(sys.modules);"
        "attention_zoo.zoo.Bertt"
    )
    process = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert "AttributeError: module 'attention_zoo.zoo' has no attribute 'Bertt'" in process.stderr
