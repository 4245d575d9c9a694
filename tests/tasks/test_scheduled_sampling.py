"""Scheduled sampling: what the decoder sees, and that nothing else changes."""

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.train.losses import smoothed_cross_entropy
from attention_zoo.zoo import RNNAttention, Transformer

SOURCE = np.array([[4, 5, 6, 3], [7, 3, 0, 0]] * 20, "int32")
TARGET = np.array([[6, 5, 4, 3], [7, 8, 3, 0]] * 20, "int32")
SEED = tf.constant([1, 2])


@pytest.fixture(params=["rnn", "transformer"])
def task(request):
    tokenizer = CharacterTokenizer("abcdefgh")
    if request.param == "rnn":
        model = RNNAttention(tokenizer.vocab_size, width=6)
    else:
        options = {"width": 6, "num_heads": 2, "feed_forward_width": 8}
        blocks = {"num_encoder_blocks": 1, "num_decoder_blocks": 1}
        model = Transformer(tokenizer.vocab_size, **options, **blocks)
    return Seq2Seq(model, tokenizer)


def inputs_of(task, share):
    """What the decoder saw in the last pass, and the loss."""
    seen = []
    call = task.model.call

    def recorded(inputs, training=False):
        seen.append(inputs[1].numpy())
        return call(inputs, training=training)

    task.model.call = recorded
    loss, _ = task.loss((SOURCE, TARGET), training=False, sampling_probability=share, seed=SEED)
    task.model.call = call
    assert len(seen) == 2
    return seen[1], float(loss)


def test_no_share_is_teacher_forcing(task):
    inputs, loss = inputs_of(task, 0.0)
    np.testing.assert_array_equal(inputs[:2], [[2, 6, 5, 4], [2, 7, 8, 3]])
    assert loss == pytest.approx(float(task.loss((SOURCE, TARGET), training=False)[0]), rel=1e-6)


def test_the_whole_share_is_what_the_model_would_have_said(task):
    inputs, loss = inputs_of(task, 1.0)
    forced = np.pad(TARGET[:, :-1], [(0, 0), (1, 0)], constant_values=2)
    said = task.model([SOURCE, forced]).numpy().argmax(axis=2)
    np.testing.assert_array_equal(inputs[:, 0], 2)
    np.testing.assert_array_equal(inputs[:, 1:], said[:, :-1])
    logits = task.model([SOURCE, inputs])
    assert loss == pytest.approx(
        float(smoothed_cross_entropy(logits, TARGET, TARGET != 0)[0]), rel=1e-5
    )


def test_a_share_is_drawn_by_the_seed(task):
    forced, _ = inputs_of(task, 0.0)
    whole, _ = inputs_of(task, 1.0)
    mixed, _ = inputs_of(task, 0.5)
    free = forced != whole
    assert ((mixed == forced) | (mixed == whole)).all()
    assert 0.3 < (mixed == whole)[free].mean() < 0.7
    np.testing.assert_array_equal(mixed, inputs_of(task, 0.5)[0])
