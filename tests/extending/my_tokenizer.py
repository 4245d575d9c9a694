"""A tokenizer: one id for each byte of UTF-8, so that nothing is unknown."""

import tensorflow as tf

import attention_zoo as az
from attention_zoo.text.vocabulary import NUM_SPECIAL_IDS


@az.register_tokenizer
class ByteTokenizer(az.Tokenizer):
    """Tokens are bytes; there is nothing to learn."""

    kind = "bytes"

    def __init__(self):
        super().__init__()
        self.vocab_size = NUM_SPECIAL_IDS + 256

    @classmethod
    def train(cls, texts):
        """The same for all texts."""
        return cls()

    def pieces(self, ids):
        """Bytes, for display."""
        return [f"{int(i) - NUM_SPECIAL_IDS:02x}" for i in ids]

    def _tokenize(self, strings):
        values = tf.strings.bytes_split(strings)
        codes = tf.ragged.map_flat_values(lambda v: tf.io.decode_raw(v, tf.uint8)[:, 0], values)
        return tf.cast(codes, tf.int32) + NUM_SPECIAL_IDS

    def _detokenize(self, ids):
        table = tf.constant([b""] * NUM_SPECIAL_IDS + [bytes([i]) for i in range(256)])
        pieces = tf.ragged.map_flat_values(lambda i: tf.gather(table, i), ids)
        return tf.strings.reduce_join(pieces, axis=1)

    def _save(self, directory):
        pass  # nothing was learned

    @classmethod
    def _load(cls, directory):
        return cls()
