"""BERT with its pre-training heads: masked tokens and next sentences."""

import keras
from keras import ops

from attention_zoo.layers import Linear
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.feed_forward import activation_function
from attention_zoo.zoo.bert_head import BertWithHead


@keras.saving.register_keras_serializable("attention_zoo")
class BertPretrainer(BertWithHead):
    r"""Logits of masked tokens, and of whether the second segment follows the first.

        token logits = LayerNorm(gelu(h W + b)) E^T + c        E: the token embedding
        sentence logits = pooled W + b

    Devlin et al. 2019, section 3.1. The map before the tied output is only in its code
    (`run_pretraining.py` of google-research/bert).

    Args:
        encoder: a dict of the arguments of `Bert`.
        next_sentence: whether there are sentence logits.

    Call arguments:
        inputs: see `Bert`. With `positions`, an integer tensor `(B, P)` in the dict, the
            result has the token logits of these positions only.

    Returns:
        A dict: `token_logits (B, T or P, V)` and `sentence_logits (B, 2)`: index 0 means that
        the second segment follows the first, index 1 that it is random.

    Example:
        >>> model = BertPretrainer.from_preset("bert_tiny", vocab_size=100)
        >>> outputs = model({"token_ids": np.array([[2, 7, 3]]), "positions": np.array([[1]])})
        >>> outputs["token_logits"].shape, outputs["sentence_logits"].shape
        (TensorShape([1, 1, 100]), TensorShape([1, 2]))
    """

    def __init__(self, encoder, next_sentence=True, **kwargs):
        super().__init__(**kwargs)
        self._add_encoder(encoder, pooler=next_sentence)
        self.next_sentence = next_sentence
        policy = {"dtype": self.dtype_policy}
        width = self.bert.embedding_width or self.bert.width
        self.transform = Linear(width, **policy, name="transform")
        self.transform_norm = keras.layers.LayerNormalization(
            epsilon=self.bert.epsilon, **policy, name="transform_norm"
        )
        self.sentence_head = Linear(2, **policy, name="sentence_head") if next_sentence else None
        self.build()

    @build_once
    def build(self, input_shape=None):
        """Creates the weights of the heads; the encoder has its own already."""
        self.transform_norm.build((None, None, self.transform.width))
        super().build(input_shape)
        self.token_bias = self.add_weight(
            name="token_bias", shape=(self.bert.vocab_size,), initializer="zeros"
        )

    def call(self, inputs, training=False):
        """Returns the logits; see the class docstring."""
        encoded = self.bert(inputs, training=training)
        states = encoded["states"]
        if isinstance(inputs, dict) and "positions" in inputs:
            states = ops.take_along_axis(states, ops.expand_dims(inputs["positions"], 2), axis=1)
        outputs = {"token_logits": self._token_logits(states, training)}
        if self.next_sentence:
            pooled_B1D = ops.expand_dims(encoded["pooled"], 1)
            sentence_B1V = self.sentence_head(pooled_B1D, training=training)
            outputs["sentence_logits"] = ops.squeeze(sentence_B1V, 1)
        return outputs

    def _token_logits(self, states, training):
        activation = activation_function(self.bert.activation)
        hidden = activation(self.transform(states, training=training))
        logits = self.bert.token_embedding.logits(self.transform_norm(hidden), training)
        return logits + ops.cast(self.token_bias, logits.dtype)
