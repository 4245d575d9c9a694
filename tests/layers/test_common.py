"""What holds for every layer. A new layer needs an example here, or the first test fails."""

import inspect
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference.layer_examples import EXAMPLES, LAYERS

from attention_zoo.testing.layers import (
    LAYER_CHECKS,
    constructor_arguments,
    dynamic_batch_and_length,
    future_changes_nothing,
    one_training_step_changes_every_weight,
)

CASES = {name: example.case() for name, example in EXAMPLES.items()}


def cases(condition=lambda case: True):
    chosen = {name: case for name, case in CASES.items() if condition(case)}
    return pytest.mark.parametrize("case", chosen.values(), ids=chosen)


def returns_weights(case):
    layer = case.make_layer()
    # A decoder without attention takes the argument and has none to return.
    has_weights = type(layer).__name__ != "RecurrentDecoder"
    return has_weights and "return_weights" in inspect.signature(layer.call).parameters


def has(check, name):
    # A pre-norm AddNorm normalises in `before`, and the bias of the output is added in `logits`:
    # their calls do not see them.
    trains = check is one_training_step_changes_every_weight
    elsewhere = name in ("AddNorm, pre", "TokenEmbedding, output bias")
    return check.applies(CASES[name]) and not (trains and elsewhere)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_an_example_and_every_argument_a_value_that_is_no_default(name):
    given = [example.arguments for example in EXAMPLES.values() if example.layer == name]
    for argument, default in constructor_arguments(LAYERS[name]).items():
        assert any(arguments.get(argument, default) != default for arguments in given), argument


@pytest.mark.parametrize(
    ("check", "case"),
    [
        pytest.param(
            check,
            case,
            id=f"{check.__name__}-{name}",
            # A second example of a layer has other options; its steps and shapes are the first's.
            marks=[pytest.mark.slow]
            * (
                "," in name
                and check in (one_training_step_changes_every_weight, dynamic_batch_and_length)
            ),
        )
        for check in LAYER_CHECKS
        for name, case in CASES.items()
        # It has a test of its own, for each combination of options.
        if check is not future_changes_nothing and has(check, name)
    ],
)
def test_layer(check, case):
    check(case)


def is_recurrence(case):
    return type(case.make_layer()).__name__.startswith("SSRU")


@cases(lambda case: case.causal and not is_recurrence(case))
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("mask_rank", [0, 2, 3])
@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_future_changes_nothing(case, dropout, return_weights, mask_rank, dtype):
    future_changes_nothing(
        case, dropout=dropout, return_weights=return_weights, mask_rank=mask_rank, dtype=dtype
    )


@cases(is_recurrence)
def test_the_future_changes_nothing_in_a_recurrence(case):
    future_changes_nothing(case)
    mask = np.ones(case.inputs["inputs"].shape[:2], bool)
    with pytest.raises(ValueError, match="it takes no mask"):
        case.call(case.make_layer(), {**case.inputs, "attention_mask": mask})


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_values_of_the_configuration_and_number_of_weights(example):
    layer = example.case().make()
    config = layer.get_config()
    assert set(config) == {"name", "trainable", "dtype", *constructor_arguments(type(layer))}
    assert {name: config[name] for name in example.arguments} == example.arguments
    assert layer.count_params() == example.parameters
    assert layer.non_trainable_weights == []


@cases(returns_weights)
def test_functional_models_return_weights(case):
    layer = case.make()
    model = case.functional(layer, return_weights=True)
    expected = case.call(layer, return_weights=True)
    for output, by_layer in zip(model(dict(case.inputs)), expected, strict=True):
        assert_allclose(output, by_layer, atol=1e-6)


def test_the_sizes_that_inputs_are_tried_with():
    case = CASES["DecoderBlock"]
    shapes = {name: array.shape for name, array in case.inputs.items()}
    assert shapes == {
        "inputs": (2, 3, 28),
        "memory": (2, 5, 6),
        "attention_mask": (2, 3),
        "memory_mask": (2, 5),
    }
    resized = {name: array.shape for name, array in case.resized().items()}
    assert resized == {
        "inputs": (1, 8, 28),
        "memory": (1, 2, 6),
        "attention_mask": (1, 8),
        "memory_mask": (1, 2),
    }
    assert np.array_equal(case.resized()["inputs"][0, 3], case.inputs["inputs"][0, 0])


def test_which_checks_are_run_on_which_layers():
    counts = [sum(check.applies(case) for case in CASES.values()) for check in LAYER_CHECKS]
    named = dict(zip([check.__name__ for check in LAYER_CHECKS], counts, strict=True))
    masked, causal = (
        named[name] for name in ("padding_changes_no_valid_output", "future_changes_nothing")
    )
    assert masked == sum(any("mask" in n for n in e.inputs) for e in EXAMPLES.values())
    assert causal == len(list(itertools.filterfalse(lambda c: not c.causal, CASES.values()))) == 5
