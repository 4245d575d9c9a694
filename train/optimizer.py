"""Optimizers with decoupled weight decay and layer-wise learning rates."""

import re

import keras
from keras import ops

from attention_zoo.layers.keras_internals import variable_key

# Suffixes of the names of norms and biases, which have no weight decay.
_NOT_DECAYED = ("bias", "gamma", "beta")


class _Decoupled(keras.optimizers.Optimizer):
    """Adds decoupled weight decay, and rates of layers, to an optimizer of Keras.

        w = w - rate (update + weight_decay w)

    Keras's own optimizers have a single learning rate; layer-wise rates would not apply to their
    weight decay.
    """

    def __init__(self, learning_rate=0.001, weight_decay=0.0, rates=None, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.decay = weight_decay
        self.rates = _registered(rates) if isinstance(rates, str) else rates

    def build(self, variables):
        """Creates the state, and determines the rate and the decay of every variable."""
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


@keras.saving.register_keras_serializable("attention_zoo")
class AdamW(_Decoupled, keras.optimizers.Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), and rates of layers.

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


@keras.saving.register_keras_serializable("attention_zoo")
class Lion(_Decoupled, keras.optimizers.Lion):
    """Lion (Chen et al. 2023, algorithm 2): the sign of a mean of gradients; one moment.

    Rates are 3 to 10 times smaller than Adam's, and weight decay as much larger (section 5).

    Args:
        learning_rate: number or schedule.
        weight_decay: as for `AdamW`.
        rates: as for `AdamW`.
        **kwargs: arguments of `keras.optimizers.Lion`.
    """


@keras.saving.register_keras_serializable("attention_zoo")
class Adafactor(_Decoupled, keras.optimizers.Adafactor):
    """Adafactor (Shazeer and Stern 2018): the second moment of a matrix as two vectors.

    A step is the learning rate times the root mean square of the weights (section 8).

    Args:
        learning_rate: number or schedule.
        weight_decay: as for `AdamW`.
        rates: as for `AdamW`.
        **kwargs: arguments of `keras.optimizers.Adafactor`.
    """


def _registered(name):
    function = keras.saving.get_registered_object(name)
    if function is None:
        raise ValueError(
            f"rates must be a function or the name of a registered one, received {name!r}"
        )
    return function


def make_optimizer(settings, learning_rate, variables, rates=None):
    """The optimizer for a recipe's `train`, built for the trained weights.

    Args:
        settings: `TrainSettings`.
        learning_rate: number or schedule.
        variables: the weights to train.
        rates: see `AdamW`.
    """
    options = {
        name: getattr(settings, name)
        for name in ("beta_1", "beta_2", "epsilon")
        if getattr(settings, name) is not None
    }
    options["learning_rate"] = learning_rate
    decoupled = {"rates": rates, "weight_decay": settings.weight_decay}
    if settings.optimizer == "lion":
        optimizer = Lion(**options, **decoupled)
    elif settings.optimizer == "adafactor":
        optimizer = Adafactor(**options, **decoupled, relative_step=False)
    elif settings.weight_decay or rates:
        optimizer = AdamW(**options, **decoupled)
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
    layers = (
        encoder.token_embedding,
        encoder.segment_embedding,
        encoder.position,
        encoder.embedding_norm,
        encoder.embedding_projection,
    )
    return tuple(layer for layer in layers if layer is not None)
