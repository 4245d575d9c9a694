"""BERT for the tokens of a text: tagging, and extractive question answering."""

import keras

from attention_zoo.layers import Linear
from attention_zoo.zoo.bert_head import BertWithHead


@keras.saving.register_keras_serializable("attention_zoo")
class BertTokenClassifier(BertWithHead):
    r"""Logits for each token, by a linear map of its state.

    Devlin et al. 2019, sections 4.2 (two outputs: start and end of the answer) and 5.3 (one
    output per tag).

    Args:
        num_outputs: number of logits per token.
        encoder: a dict of the arguments of `Bert`.

    Call arguments:
        inputs: see `Bert`.

    Returns:
        Logits `(B, T, num_outputs)`.

    Example:
        >>> model = BertTokenClassifier.from_preset("bert_tiny", num_outputs=2, vocab_size=100)
        >>> model({"token_ids": np.array([[2, 7, 3]])}).shape
        TensorShape([1, 3, 2])
    """

    def __init__(self, num_outputs, encoder, **kwargs):
        super().__init__(**kwargs)
        self._add_encoder(encoder, pooler=False)
        self.num_outputs = num_outputs
        self.head_dropout = keras.layers.Dropout(self.bert.dropout, dtype=self.dtype_policy)
        self.head = Linear(num_outputs, dtype=self.dtype_policy, name="head")
        self.build()

    def call(self, inputs, training=False):
        """Returns the logits; see the class docstring."""
        states_BTD = self.bert(inputs, training=training)["states"]
        return self.head(self.head_dropout(states_BTD), training=training)
