"""What the models that put a head on BERT have in common."""

import inspect

from attention_zoo.layers.build_once import build_once
from attention_zoo.zoo.bert import Bert, draw_bert_weights
from attention_zoo.zoo.model import PresetModel


class BertWithHead(PresetModel):
    """A `Bert` and a head on it, with the paper's initial weights.

    Args:
        encoder: a dict of the arguments of `Bert`.
        pooler: whether the head looks at the pooled state.
    """

    family = "Bert"

    def __init__(self, encoder, pooler, **kwargs):
        super().__init__(**kwargs)
        options = {"pooler": pooler, **encoder}
        self.reads_pooled = pooler
        self.bert = Bert(**options, dtype=self.dtype_policy, name="bert")
        if self.bert.pooler and not pooler:
            # Nothing looks at it, so no gradient would reach it.
            self.bert.pooler_projection.trainable = False
        # With every default filled in, so that a saved model stays what it was.
        self.encoder = {name: getattr(self.bert, name) for name in _encoder_arguments()}

    @build_once
    def build(self, input_shape=None):
        """Makes the weights of the head; those of the encoder are there."""
        for layer in self.layers:
            if not layer.built:
                layer.build((None, None, self.bert.width))
                draw_bert_weights(layer)

    @classmethod
    def complete(cls, options):
        """Sorts options into those of the encoder and those of the head."""
        names = _encoder_arguments()
        encoder = {name: value for name, value in options.items() if name in names}
        rest = {name: value for name, value in options.items() if name not in names}
        return {"encoder": encoder, **rest}

    @property
    def width(self):
        """Width of the encoder's states."""
        return self.bert.width

    @property
    def max_length(self):
        """Longest sequence in tokens."""
        return self.bert.max_length

    @property
    def vocab_size(self):
        """Number of token ids."""
        return self.bert.vocab_size

    def attention_weights(self, inputs):
        """Where each block looks: weights `(B, blocks, H, T, S)`."""
        return self.bert.attention_weights(inputs)


def _encoder_arguments():
    names = inspect.signature(Bert.__init__).parameters
    return [name for name in names if name not in ("self", "kwargs")]
