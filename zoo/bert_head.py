"""The base class of models with a head on BERT."""

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.layer import arguments_of, constructor_arguments
from attention_zoo.zoo.bert import Bert, draw_bert_weights
from attention_zoo.zoo.model import PresetModel


class BertWithHead(PresetModel):
    """A `Bert` and a head on it, with the paper's initial weights.

    The constructor of a subclass calls `_add_encoder` before it adds the head.
    """

    family = "Bert"

    def _add_encoder(self, encoder, pooler):
        """Creates the encoder.

        Args:
            encoder: a dict of the arguments of `Bert`.
            pooler: whether the head reads the pooled state.
        """
        options = {"pooler": pooler, **encoder}
        self.reads_pooled = pooler
        self.bert = Bert(**options, dtype=self.dtype_policy, name="bert")
        if self.bert.pooler and not pooler:
            # Nothing reads it, so it would have no gradient.
            self.bert.pooler_projection.trainable = False
        # Including the default values, so that saved models do not depend on them.
        self.encoder = arguments_of(self.bert)

    @build_once
    def build(self, input_shape=None):
        """Creates the weights of the head; the encoder has its own already."""
        for layer in self.layers:
            if not layer.built:
                layer.build((None, None, self.bert.width))
                draw_bert_weights(layer)

    @classmethod
    def complete(cls, options):
        """Separates the options of the encoder from those of the head."""
        names = constructor_arguments(Bert)
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
        """The attention weights of all blocks, `(B, blocks, H, T, S)`."""
        return self.bert.attention_weights(inputs)
