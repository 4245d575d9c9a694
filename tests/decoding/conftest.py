"""Models to decode with: one of each family, of random weights, and a table of probabilities."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.text.vocabulary import START_ID
from attention_zoo.zoo import RNNAttention, Transformer

SOURCE = np.array(
    [
        [8, 9, 4, 0, 0],
        [10, 4, 7, 7, 5],
        [6, 8, 7, 9, 4],
        [5, 10, 6, 9, 0],
        [4, 4, 9, 5, 8],
        [7, 0, 0, 0, 0],
    ],
    "int32",
)


_FAMILIES = {
    "transformer": functools.partial(
        Transformer,
        width=12,
        num_heads=3,
        feed_forward_width=14,
        num_encoder_blocks=1,
        num_decoder_blocks=2,
        share_embeddings=False,
        tie_output=False,
        norm="pre",
        positions="learned",
    ),
    "rnn": functools.partial(RNNAttention, width=12, num_decoder_layers=2),
    "rnn, fed": functools.partial(
        RNNAttention, width=12, cell="lstm", attention="luong", input_feeding=True
    ),
}


@functools.cache
def make_model(family, seed, dtype="float32"):
    """A model whose answers differ: wide weights, and positions that count."""
    model = _FAMILIES[family](source_vocab_size=11, target_vocab_size=9, max_length=16, dtype=dtype)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        deviation = 2.0 if "position" in weight.path else 0.6
        if weight.ndim == 1:
            weight.assign_add(rng.normal(0, 0.2, weight.shape))
        else:
            weight.assign(rng.normal(0, deviation, weight.shape))
    return model


# Seeds with which some answers end early and some do not.
_SEEDS = [("transformer", 0), ("transformer", 4), ("transformer", 5), ("rnn", 5), ("rnn, fed", 9)]


@pytest.fixture(params=_SEEDS, ids=lambda param: f"{param[0]}, seed {param[1]}")
def each_model(request):
    return make_model(*request.param)


@pytest.fixture(params=_SEEDS[2:], ids=lambda param: param[0])
def model(request):
    return make_model(*request.param)


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def half_model(request):
    return make_model("transformer", 4, request.param)


@pytest.fixture
def source():
    return SOURCE


@pytest.fixture
def teacher_forced():
    """A function `(model, source, hypotheses)`: the log-probabilities of decoded answers `(B, N)`.

    The model is called as in training and says the probability of every token.
    """

    def log_probabilities(model, source, hypotheses):
        inputs, ids, emitted = _as_in_training(source, hypotheses)
        all_log_p = tf.nn.log_softmax(model(inputs)).numpy()
        log_p = np.take_along_axis(all_log_p, ids[:, :, np.newaxis], axis=2)[:, :, 0]
        return (log_p * emitted).sum(axis=1).reshape(hypotheses.lengths.shape)

    return log_probabilities


@pytest.fixture
def teacher_forced_attention():
    """The same for attention `(B, N, L, S)`: of the last block, mean over heads."""

    def last_block(model, source, hypotheses):
        inputs, _, emitted = _as_in_training(source, hypotheses)
        attention_BTS = model.attention_weights(inputs).numpy()[:, -1].mean(axis=1)
        attention_BTS *= emitted[:, :, np.newaxis]
        return attention_BTS.reshape(*hypotheses.ids.shape, -1)

    return last_block


def _as_in_training(source, hypotheses):
    """The inputs of teacher forcing, the ids, and which of them were emitted, all `(B N, L)`."""
    number, length = hypotheses.ids.shape[1:]
    ids = hypotheses.ids.numpy().reshape(-1, length)
    shifted = np.pad(ids[:, :-1], [(0, 0), (1, 0)], constant_values=START_ID)
    emitted = np.arange(length) < hypotheses.lengths.numpy().reshape(-1, 1)
    return [np.repeat(source, number, axis=0), shifted], ids, emitted


class Table:
    """A stand-in for a model: the next token's logits are looked up by all tokens before it.

    The first source id is the sentence's number. Only the tokens 3, 4 and 5 are
    likely, so every likely answer can be written down. The cache is the place in the
    tree of prefixes; it is wrong at once if `reorder` is forgotten.
    """

    likely = (3, 4, 5)

    def __init__(self, logits):
        self.logits = np.full([*logits.shape[:2], 32], -100.0, "float32")
        self.logits[:, :, self.likely] = logits
        self.steps = 0

    def encode(self, source_ids):
        return {"sentence": source_ids[:, 0], "mask": source_ids != 0}

    def start(self, memory, max_length, num_hypotheses=1):
        return [tf.zeros([tf.shape(memory["mask"])[0], num_hypotheses], tf.int32)]

    def step(self, token_ids, position, cache, memory):
        self.steps += 1
        child = 2 * cache[0] + tf.where(token_ids == 5, 2, 1)
        prefix = tf.where(position == 0, 0, tf.minimum(child, self.logits.shape[1] - 1))
        sentences = tf.gather(self.logits, memory["sentence"])
        logits = tf.gather(sentences, prefix, batch_dims=1)
        attention = tf.cast(memory["mask"], tf.float32)[:, tf.newaxis] + tf.zeros_like(
            logits[:, :, :1]
        )
        return logits, [prefix], attention

    def reorder(self, cache, parents):
        return [tf.gather(cache[0], parents, batch_dims=1)]

    def log_p(self, sentence, prefix):
        """The log-probabilities of all tokens after a prefix, without the step protocol."""
        place = 0
        for token in prefix:
            place = 2 * place + (2 if token == 5 else 1)
        logits = self.logits[sentence, place].astype("float64")
        return logits - np.log(np.exp(logits).sum())


@pytest.fixture
def make_table():
    return Table


@pytest.fixture
def table():
    """Two sentences, prefixes of up to 4 tokens."""
    return Table(np.random.default_rng(39).normal(0, 1.5, (2, 31, 3)))
