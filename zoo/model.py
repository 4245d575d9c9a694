"""What the sequence-to-sequence models have in common."""

import keras
from keras import ops

from attention_zoo.zoo.presets import PRESETS


class Seq2SeqModel(keras.Model):
    """A model from source ids to target logits that can also be run step by step.

    Subclasses give `call`, `encode`, `start` and `step`; `zoo/__init__.py` has the
    contract. `source_vocab_size`, `target_vocab_size` and `max_length` are attributes.
    """

    @classmethod
    def from_preset(cls, name, **overrides):
        """Builds a model with the hyper-parameters of a preset.

        Args:
            name: one of `attention_zoo.zoo.PRESETS`.
            **overrides: constructor arguments that replace or complete the preset's;
                the vocabulary sizes are always needed.

        Raises:
            ValueError: if there is no such preset, or it belongs to another model.
        """
        names = [key for key, preset in PRESETS.items() if preset["model"] == cls.__name__]
        if name not in names:
            raise ValueError(f"no preset {name!r} for {cls.__name__}; there are {', '.join(names)}")
        return cls(**{**PRESETS[name]["config"], **overrides})

    def reorder(self, cache, parents_BN):
        """Makes hypothesis n of each sentence go on from hypothesis `parents[n]`.

        Args:
            cache: what `step` returned, tensors `(B, N, ...)`.
            parents_BN: int32 tensor, values in `[0, N)`.

        Returns:
            The cache in the new order.
        """
        return [gather_hypotheses(tensor, parents_BN) for tensor in cache]


def gather_hypotheses(tensor, parents_BN):
    """Selects along the hypothesis axis: `tensor (B, N, ...)` to `(B, N', ...)`."""
    # One flat gather: gathers with batch axes are slow in TF and missing in ONNX.
    hypotheses = ops.shape(tensor)[1]
    first = ops.arange(ops.shape(tensor)[0], dtype="int32") * hypotheses
    flat = ops.reshape(tensor, (-1, *ops.shape(tensor)[2:]))
    return ops.take(flat, parents_BN + ops.expand_dims(first, 1), axis=0)
