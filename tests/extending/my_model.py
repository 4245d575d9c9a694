"""A sequence-to-sequence model: what comes next depends on the last token and the source's mean."""

import keras
from keras import ops

import attention_zoo as az
from attention_zoo.layers import LearnedPositionalEncoding, Linear, TokenEmbedding


@az.register_model
@keras.saving.register_keras_serializable("extending")
class MeanOfSource(az.Seq2SeqModel):
    """The mean of the source's embeddings, added to the last token and its position."""

    attends = False

    def __init__(self, source_vocab_size, target_vocab_size=None, width=32, max_length=64, **more):
        super().__init__(**more)
        self.source_vocab_size = source_vocab_size
        self.target_vocab_size = target_vocab_size or source_vocab_size
        self.width, self.max_length = width, max_length
        dtype = {"dtype": self.dtype_policy}
        self.source = TokenEmbedding(source_vocab_size, width, name="source", **dtype)
        self.target = TokenEmbedding(self.target_vocab_size, width, name="target", **dtype)
        self.position = LearnedPositionalEncoding(max_length, name="position", **dtype)
        self.hidden = Linear(width, name="hidden", **dtype)
        self.output_projection = Linear(self.target_vocab_size, name="output", **dtype)
        for layer in self.layers:
            layer.build((None, None, width))
        self.built = True

    def call(self, inputs, training=False):
        """Source and target ids to logits `(B, T, V)`."""
        source_ids, target_ids = inputs
        return self._logits(self.position(self.target(target_ids)), source_ids)

    def encode(self, source_ids):
        """What each step reads."""
        return {"source_ids": source_ids}

    def start(self, memory, max_length, num_hypotheses=1):
        """The cache, which this model does not need: zeros."""
        batch = ops.shape(memory["source_ids"])[0]
        return [ops.zeros((batch, num_hypotheses, 1))]

    def step(self, token_ids, position, cache, memory):
        """Logits of the next tokens; see `attention_zoo.zoo`."""
        hidden = self.position.step(self.target(token_ids), position)
        return self._logits(hidden, memory["source_ids"]), cache, ()

    def _logits(self, hidden_BTD, source_ids):
        mask_BS1 = ops.expand_dims(ops.cast(ops.not_equal(source_ids, 0), self.compute_dtype), 2)
        total_BD = ops.sum(self.source(source_ids) * mask_BS1, axis=1)
        mean_BD = total_BD / ops.maximum(ops.sum(mask_BS1, axis=1), 1.0)
        hidden_BTD = ops.tanh(self.hidden(hidden_BTD + ops.expand_dims(mean_BD, 1)))
        return self.output_projection(hidden_BTD)
