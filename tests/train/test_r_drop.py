"""R-Drop: its loss against NumPy, and that it is no more than the loss where dropout is off."""

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer
from attention_zoo.train.losses import with_r_drop
from attention_zoo.zoo import BertClassifier

ROWS = [("good one", "yes"), ("bad", "no"), ("good", "yes")]


def classifier(problem="one", dropout=0.1):
    tokenizer = WordPieceTokenizer.train([text for text, _ in ROWS])
    outputs = 1 if problem == "number" else 2
    model = BertClassifier.from_preset(
        "bert_tiny",
        vocab_size=tokenizer.vocab_size,
        num_outputs=outputs,
        dropout=dropout,
        attention_dropout=dropout,
    )
    labels = [] if problem == "number" else ["no", "yes"]
    return Classify(model, tokenizer, labels, problem=problem, max_length=8)


def test_numbers():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 2, 5)).astype("float32")
    mask = np.array([[1, 1], [1, 0], [1, 1]] * 2, bool)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    first, second = log_p[:3], log_p[3:]
    both = (np.exp(first) * (first - second) + np.exp(second) * (second - first)).sum(-1)
    expected = (7.0 + 3.0 * 0.5 * (both * mask[:3]).sum()) / 2
    loss, count = with_r_drop((7.0, 10.0), 3.0, logits, mask)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert count == 5.0


def test_without_dropout_it_is_the_plain_loss(make_task, pairs):
    for task, rows in ((make_task(dropout=0.0), pairs[:3]), (classifier(dropout=0.0), ROWS)):
        fields = zip(*task.to_ids(rows), strict=True)
        batch = tuple(tf.keras.utils.pad_sequences(list(field), padding="post") for field in fields)
        plain = task.loss(batch, training=True)
        np.testing.assert_allclose(task.loss(batch, r_drop=5.0), plain, rtol=1e-5)
        settings = task.recipe.train_settings(r_drop=5.0)
        assert task.loss_options(settings)(0) == {"r_drop": 5.0}


def test_with_dropout_it_is_more(make_task, pairs):
    task = make_task(dropout=0.5)
    fields = zip(*task.to_ids(pairs[:3]), strict=True)
    batch = tuple(tf.keras.utils.pad_sequences(list(field), padding="post") for field in fields)
    losses = [float(task.loss(batch, r_drop=alpha)[0]) for alpha in (1e-6, 1e6)]
    assert losses[1] > 100 * losses[0]


def test_it_is_for_a_softmax():
    task = classifier("number")
    with pytest.raises(UserError, match="r_drop is for the problem one, not number"):
        task.loss_options(task.recipe.train_settings(r_drop=1.0))
