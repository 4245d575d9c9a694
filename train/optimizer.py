"""Adam with decoupled weight decay and layer-wise learning rates."""

import re

import keras
from keras import ops

from attention_zoo.layers.keras_internals import variable_key
from attention_zoo.train.schedules import make_schedule

# Suffixes of the names of norms and biases, which have no weight decay.
_NOT_DECAYED = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable("attention_zoo")
class AdamW(keras.optimizers.Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

        w = w - rate (m / (sqrt(v) + epsilon) + weight_decay w)

    Keras's own class has a single learning rate; layer-wise rates would not apply to its
    weight decay.

    Args:
        learning_rate: number or schedule.
        weight_decay: for all weights except norms and biases.
        rates: a function from a variable to its learning-rate multiplier, or the name of a
            registered function; None: all are 1. To be saved, a function must be registered
            (`keras.saving.register_keras_serializable`).
        **kwargs: arguments of `keras.optimizers.Adam`.

    Raises:
        ValueError: if no function of this name is registered.
    """

    def __init__(self, learning_rate=0.001, weight_decay=0.0, rates=None, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.decay = weight_decay
        self.rates = _registered(rates) if isinstance(rates, str) else rates

    def build(self, variables):
        """Creates the moments, and determines the rate and the decay of every variable."""
        super().build(variables)
        # By key: `update_step` receives the backend's own variables, without their paths.
        self._factors = {
            variable_key(self, v): (
                self.rates(v) if self.rates else 1.0,
                0.0 if v.name.endswith(_NOT_DECAYED) else self.decay,
            )
            for v in variables
        }

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable."""
        factor, decay = self._factors[variable_key(self, variable)]
        rate = learning_rate * factor
        if decay:
            drawn = ops.cast(rate * decay, variable.dtype)
            self.assign_sub(variable, ops.multiply(variable, drawn))
        super().update_step(gradient, variable, rate)

    def get_config(self):
        """All constructor arguments; `rates` by its registered name."""
        rates = self.rates and keras.saving.get_registered_name(self.rates)
        return {**super().get_config(), "weight_decay": self.decay, "rates": rates}


def _registered(name):
    function = keras.saving.get_registered_object(name)
    if function is None:
        raise ValueError(
            f"rates must be a function or the name of a registered one, received {name!r}"
        )
    return function


def make_optimizer(settings, width, variables, rates=None):
    """The optimizer for a recipe's `train`, built for the trained weights.

    Args:
        settings: `TrainSettings`.
        width: the width of the model, for the schedule noam.
        variables: the weights to train.
        rates: see `AdamW`.
    """
    options = {
        "learning_rate": make_schedule(settings.learning_rate, width, settings.steps),
        "beta_1": settings.beta_1,
        "beta_2": settings.beta_2,
        "epsilon": settings.epsilon,
    }
    if settings.weight_decay or rates:
        optimizer = AdamW(**options, rates=rates, weight_decay=settings.weight_decay)
    else:
        optimizer = keras.optimizers.Adam(**options)
    optimizer.build(variables)
    return optimizer


def layer_rates(encoder, decay):
    """Rates that decrease from the head down (Howard and Ruder 2018; Clark et al. 2020).

    Args:
        encoder: a `Bert`.
        decay: the ratio of a block's rate to that of the block above it.

    Returns:
        A function from a variable to its rate: 1 for the head, `decay` for the last block,
        and so on; the embeddings have the lowest.
    """
    blocks = len(encoder.blocks)
    lowest = {id(v) for layer in embedding_layers(encoder) for v in layer.trainable_variables}

    def rate(variable):
        block = re.search(r"(?:^|/)block_(\d+)/", variable.path)
        if block:
            return decay ** (blocks - int(block[1]))
        return decay ** (blocks + 1) if id(variable) in lowest else 1.0

    return rate


def embedding_layers(encoder):
    """The layers of a `Bert` below its first block."""
    return (
        encoder.token_embedding,
        encoder.segment_embedding,
        encoder.position,
        encoder.embedding_norm,
    )
