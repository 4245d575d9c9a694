"""The checks of a model, whichever kind it is."""

from __future__ import annotations

from collections.abc import Callable

import keras

from attention_zoo.testing.check import run_checks
from attention_zoo.testing.encoders import ENCODER_CHECKS
from attention_zoo.testing.model_case import ModelCase
from attention_zoo.testing.seq2seq_models import SEQ2SEQ_CHECKS


def check_model(
    model: keras.Model | Callable[[], keras.Model], *, mixed_tolerance: float = 0.05
) -> None:
    """Checks what holds for every model of this package.

    For all: padding and the rest of the batch change nothing, configuration and files give the
    same model again, graphs and XLA take any batch and length, mixed precision is near. For a
    sequence-to-sequence model, one that has `step`, also: its steps agree with its call whatever
    hypotheses go on, future tokens change nothing, an empty source gives finite logits, and a
    training step changes every weight.

    Args:
        model: a sequence-to-sequence model or an encoder, see `attention_zoo.zoo`, or a function
            without arguments that makes one. Copies with random weights are tested; the model
            stays as it is. A small one is enough; its `max_length` must be 8 or more.
        mixed_tolerance: by how much outputs in mixed_bfloat16 may differ from those in float32.

    Raises:
        AssertionError: if one of these does not hold, naming it.

    Example:
        >>> from attention_zoo.zoo import RNNAttention
        >>> check_model(RNNAttention(source_vocab_size=9, width=4, embedding_width=4))
    """
    make = _maker_of_copies(model) if isinstance(model, keras.Model) else model
    case = ModelCase(make, mixed_tolerance)
    run_checks(SEQ2SEQ_CHECKS if hasattr(case.model, "step") else ENCODER_CHECKS, case)


def _maker_of_copies(model: keras.Model) -> Callable[[], keras.Model]:
    """A function that makes models like this one; their dtype is what the policy says then."""
    config = {name: value for name, value in model.get_config().items() if name != "dtype"}
    return lambda: type(model).from_config(config)
