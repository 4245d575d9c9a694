"""The checks of models of both kinds."""

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
    """Checks the properties of all models in this package.

    For all models: padding and the rest of the batch change nothing, configuration and files
    restore the same model, graphs and XLA support any batch size and length, and mixed precision
    is close to float32. For sequence-to-sequence models, which have `step`: steps agree with the
    call for any reordering of hypotheses, future tokens change nothing, an empty source gives
    finite logits, and a training step changes every weight.

    Args:
        model: a sequence-to-sequence model or an encoder, see `attention_zoo.zoo`, or a function
            without arguments that returns one. Copies with random weights are tested; the
            model is not changed. A small one is enough; its `max_length` must be at least 8.
        mixed_tolerance: how much outputs in mixed_bfloat16 may differ from those in float32.

    Raises:
        AssertionError: naming the property that does not hold.

    Example:
        >>> from attention_zoo.zoo import RNNAttention
        >>> check_model(RNNAttention(source_vocab_size=9, width=4, embedding_width=4))
    """
    make = _maker_of_copies(model) if isinstance(model, keras.Model) else model
    case = ModelCase(make, mixed_tolerance)
    run_checks(SEQ2SEQ_CHECKS if hasattr(case.model, "step") else ENCODER_CHECKS, case)


def _maker_of_copies(model: keras.Model) -> Callable[[], keras.Model]:
    """A function that makes models like this one, with the current dtype policy."""
    config = {name: value for name, value in model.get_config().items() if name != "dtype"}
    return lambda: type(model).from_config(config)
