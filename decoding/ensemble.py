"""Several models as one, whose probabilities are the mean of theirs."""

import tensorflow as tf


class Ensemble:
    """Sequence-to-sequence models with the same vocabularies as one model.

    It is called and decoded as a single model is. Its probabilities are the mean of those of the
    models, its logits their logarithms.

    Args:
        models: sequence-to-sequence models, see `attention_zoo.zoo`.

    Example:
        >>> from attention_zoo.zoo import RNNAttention, Transformer
        >>> models = [RNNAttention(9, width=4), Transformer(9, width=4, num_heads=1)]
        >>> ids = np.array([[5, 6, 3]], "int32")
        >>> Ensemble(models)([ids, ids]).shape
        TensorShape([1, 3, 9])
    """

    attends = False  # each attends in its own way

    def __init__(self, models):
        self.models = list(models)
        self.source_vocab_size = models[0].source_vocab_size
        self.target_vocab_size = models[0].target_vocab_size
        self.max_length = min(model.max_length for model in models)

    def __call__(self, inputs, training=False):
        """Logits of teacher forcing, `(B, T, V)`; all models run as in prediction."""
        return _mean([model(inputs, training=False) for model in self.models])

    def encode(self, source_ids):
        """The memories of all models."""
        return [model.encode(source_ids) for model in self.models]

    def start(self, memories, max_length, num_hypotheses=1):
        """The caches of all models."""
        return [
            model.start(memory, max_length, num_hypotheses)
            for model, memory in zip(self.models, memories, strict=True)
        ]

    def step(self, token_ids, position, caches, memories):
        """A step of all models: logits, caches, and no attention."""
        steps = [
            model.step(token_ids, position, cache, memory)
            for model, cache, memory in zip(self.models, caches, memories, strict=True)
        ]
        logits, caches, _ = zip(*steps, strict=True)
        return _mean(logits), list(caches), None

    def reorder(self, caches, parents):
        """Lets hypotheses continue others, in all models."""
        return [
            model.reorder(cache, parents) for model, cache in zip(self.models, caches, strict=True)
        ]


def _mean(logits):
    """Logits of several models to the logs of the mean of their probabilities."""
    logs = tf.stack([tf.nn.log_softmax(tf.cast(each, tf.float32)) for each in logits])
    return tf.reduce_logsumexp(logs, axis=0) - tf.math.log(float(len(logits)))
