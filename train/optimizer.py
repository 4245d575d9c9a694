"""Adam with decoupled weight decay, and a learning rate for each layer."""

import re

import keras
from keras import ops

from attention_zoo.layers.keras_internals import variable_key
from attention_zoo.train.schedules import make_schedule

# What the names of norms and biases end in: they are not drawn towards zero.
_NOT_DECAYED = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable("attention_zoo")
class AdamW(keras.optimizers.Adam):
    """Adam whose weight decay is no part of the gradient (Loshchilov and Hutter 2019).

        w = w - rate (m / (sqrt(v) + epsilon) + weight_decay w)

    Keras's own class has one learning rate for all; with it the rates of single layers
    would not reach the weight decay.

    Args:
        learning_rate: number or schedule.
        weight_decay: for every weight but norms and biases.
        rates: a function from a variable to what multiplies its learning rate, or the name
            of a registered one; 1 for all when None. To be saved, a function must be
            registered (`keras.saving.register_keras_serializable`).
        **kwargs: of `keras.optimizers.Adam`.

    Raises:
        ValueError: if no function of the name is registered.
    """

    def __init__(self, learning_rate=0.001, weight_decay=0.0, rates=None, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.decay = weight_decay
        self.rates = _registered(rates) if isinstance(rates, str) else rates

    def build(self, variables):
        """Makes the moments, and settles the rate and the decay of every variable."""
        super().build(variables)
        # By key: `update_step` is handed the backend's own variables, without their paths.
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
        """All constructor arguments; rates by their registered name."""
        rates = self.rates and keras.saving.get_registered_name(self.rates)
        return {**super().get_config(), "weight_decay": self.decay, "rates": rates}


def _registered(name):
    found = keras.saving.get_registered_object(name)
    if found is None:
        raise ValueError(
            f"rates must be a function or the name of a registered one, received {name!r}"
        )
    return found


def make_optimizer(settings, width, variables, rates=None):
    """The optimizer that a recipe's `train` asks for, built for the weights that are trained.

    Args:
        settings: `TrainSettings`.
        width: of the model, for the schedule noam.
        variables: the weights that are trained.
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
    """Rates that fall from the head down (Howard and Ruder 2018; Clark et al. 2020).

    Args:
        encoder: a `Bert`.
        decay: the rate of a block over that of the block above it.

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
