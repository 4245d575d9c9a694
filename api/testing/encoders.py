"""Checks of encoders; `attention_zoo.zoo` documents the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attention_zoo.testing.check import (
    Check,
    arrays_of,
    check,
    expect,
    expect_close,
)
from attention_zoo.testing.every_model import EVERY_MODEL_CHECKS
from attention_zoo.testing.model_case import ModelCase, example_inputs


def named(outputs: Any) -> dict[str, np.ndarray]:
    """Outputs as a dict of arrays; a single tensor is called logits."""
    outputs = outputs if isinstance(outputs, Mapping) else {"logits": outputs}
    return {name: arrays_of(value)[0] for name, value in outputs.items()}


def expect_same(
    outputs: Any, expected: Any, mask: np.ndarray, message: str, **tolerance: float
) -> None:
    """Raises an `AssertionError` unless outputs are the same, ignoring padding.

    Args:
        outputs: the outputs of a model.
        expected: the expected ones, for inputs that may be narrower.
        mask: the mask of these inputs.
        message: what is compared.
        **tolerance: `atol` and `rtol`.
    """
    ours, theirs = named(outputs), named(expected)
    expect(ours.keys() == theirs.keys(), f"{message}: {sorted(ours)}, not {sorted(theirs)}")
    for name, value in theirs.items():
        one = ours[name]
        if value.ndim == 3:  # an output for each token
            one, value = one[:, : value.shape[1]][mask > 0], value[mask > 0]
        expect_close(one, value, f"{message}: {name}", **tolerance)


@check("call: `mask`, 0 for padding, in attention and in means over tokens")
def padding_changes_nothing(case: ModelCase) -> None:
    """Padding changes no output of a token or a text."""
    inputs = example_inputs(case.model)
    wider = {name: np.pad(array, [(0, 0), (0, 2)]) for name, array in inputs.items()}
    outputs, expected = case.model(wider), case.model(inputs)
    expect_same(outputs, expected, inputs["mask"], "2 more tokens of padding", atol=1e-5)


@check("call: operations over axis 0, the batch")
def batch_changes_nothing(case: ModelCase) -> None:
    """A text has the same outputs alone and in a batch."""
    inputs = example_inputs(case.model)
    alone = {name: array[:1, :4] for name, array in inputs.items()}
    together = {name: array[:1] for name, array in named(case.model(inputs)).items()}
    message = "a text in a batch and alone"
    expect_same(together, case.model(alone), alone["mask"], message, atol=1e-5)


@check("call: inputs are a dict, in which `mask` is optional; padding is id 0")
def mask_may_be_omitted(case: ModelCase) -> None:
    """Without a mask, tokens with id 0 are padding."""
    inputs = example_inputs(case.model)
    outputs = case.model({n: inputs[n] for n in ("token_ids", "segment_ids")})
    message = "without a mask and with it"
    expect_same(outputs, case.model(inputs), inputs["mask"], message, atol=0, rtol=0)


ENCODER_CHECKS: tuple[Check[ModelCase], ...] = (
    padding_changes_nothing,
    batch_changes_nothing,
    mask_may_be_omitted,
    *EVERY_MODEL_CHECKS,
)
