"""The base classes of the models."""

import keras
from keras import ops

from attention_zoo.layers.layer import arguments_of, constructor_arguments
from attention_zoo.zoo.presets import PRESETS


class PresetModel(keras.Model):
    """A model with presets, whose constructor arguments are attributes of the same names.

    Attributes:
        family: name of the class whose presets it uses; its own name when None.
    """

    family = None

    @classmethod
    def from_preset(cls, name, **overrides):
        """Builds a model with the hyper-parameters of a preset.

        Args:
            name: one of `attention_zoo.zoo.PRESETS`.
            **overrides: constructor arguments that replace or complete the preset's.

        Raises:
            ValueError: if the preset does not exist or belongs to another model.
        """
        family = cls.family or cls.__name__
        names = [key for key, preset in PRESETS.items() if preset["model"] == family]
        if name not in names:
            raise ValueError(
                f"no preset {name!r} for {cls.__name__}; available: {', '.join(names)}"
            )
        return cls(**cls.complete({**PRESETS[name]["config"], **overrides}))

    @classmethod
    def complete(cls, options):
        """Turns options of the family and of this class into constructor arguments."""
        return options

    def get_config(self):
        """All constructor arguments."""
        return {**super().get_config(), **arguments_of(self)}


def model_config(model):
    """The constructor arguments of a model's own class: numbers and names, ready for JSON."""
    own = constructor_arguments(type(model))
    return {name: value for name, value in model.get_config().items() if name in own}


class Seq2SeqModel(PresetModel):
    """A sequence-to-sequence model that can also be run step by step.

    Subclasses define `call`, `encode`, `start`, `step` and `attention_weights`; the contract is
    in `zoo/__init__.py`. Tasks and training read the constructor arguments
    `source_vocab_size`, `target_vocab_size`, `width` and `max_length`.

    Attributes:
        takes_segments: whether `call` takes rows that hold several examples; its inputs are then
            followed by segment ids `(B, S)` and `(B, T)`.
    """

    takes_segments = False

    @property
    def attends(self):
        """Whether the model has attention weights."""
        return True

    def attention_maps(self, inputs):
        """All attention weights under teacher forcing.

        Args:
            inputs: see `call`.

        Returns:
            A dict of float tensors `(B, blocks, H, T, S)` of: `encoder` (its self-attention),
            `decoder` (its self-attention) and `cross` (of the decoder to the encoder's outputs).
            A model has those that its subclass gives, by default only the last.
        """
        return {"cross": self.attention_weights(inputs)}

    def _check_shared_embeddings(self):
        if self.share_embeddings and self.target_vocab_size != self.source_vocab_size:
            raise ValueError(
                f"share_embeddings needs equal vocabulary sizes, received "
                f"source_vocab_size={self.source_vocab_size}, "
                f"target_vocab_size={self.target_vocab_size}"
            )

    def reorder(self, cache, parents_BN):
        """Reorders a cache so that hypothesis n of each sentence continues hypothesis `parents[n]`.

        Args:
            cache: what `step` returned, tensors `(B, N, ...)`.
            parents_BN: int32 tensor, values in `[0, N)`.

        Returns:
            The reordered cache.
        """
        return [gather_hypotheses(tensor, parents_BN) for tensor in cache]


def gather_hypotheses(tensor, parents_BN):
    """Selects along the hypothesis axis: `tensor (B, N, ...)` to `(B, N', ...)`."""
    # A flat gather: gathers with batch axes are slow in TensorFlow and missing in ONNX.
    hypotheses = ops.shape(tensor)[1]
    first = ops.arange(ops.shape(tensor)[0], dtype="int32") * hypotheses
    flat = ops.reshape(tensor, (-1, *ops.shape(tensor)[2:]))
    return ops.take(flat, parents_BN + ops.expand_dims(first, 1), axis=0)
