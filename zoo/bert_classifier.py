"""BERT for classification and regression of texts."""

import keras

from attention_zoo.layers import Linear
from attention_zoo.zoo.bert_head import BertWithHead


@keras.saving.register_keras_serializable("attention_zoo")
class BertClassifier(BertWithHead):
    r"""Logits for each text, by a linear map of the pooled first state.

    Devlin et al. 2019, section 4.1: `logits = C W^T`, C the final state of `[CLS]` after
    the pooler. A single output is a regression.

    Args:
        num_outputs: number of labels, or 1 for a regression.
        encoder: a dict of the arguments of `Bert`.

    Call arguments:
        inputs: see `Bert`.

    Returns:
        Logits `(B, num_outputs)`.

    Example:
        >>> model = BertClassifier.from_preset("bert_tiny", num_outputs=3, vocab_size=100)
        >>> model({"token_ids": np.array([[2, 7, 3]])}).shape
        TensorShape([1, 3])
    """

    def __init__(self, num_outputs, encoder, **kwargs):
        super().__init__(**kwargs)
        self._add_encoder(encoder, pooler=True)
        self.num_outputs = num_outputs
        self.head_dropout = keras.layers.Dropout(self.bert.dropout, dtype=self.dtype_policy)
        self.head = Linear(num_outputs, dtype=self.dtype_policy, name="head")
        self.build()

    def call(self, inputs, training=False):
        """Classifies; see the class docstring."""
        pooled_B1D = keras.ops.expand_dims(self.bert(inputs, training=training)["pooled"], 1)
        logits_B1V = self.head(self.head_dropout(pooled_B1D), training=training)
        return keras.ops.squeeze(logits_B1V, 1)
