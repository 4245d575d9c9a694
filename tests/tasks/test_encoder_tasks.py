"""What is special about each task of an encoder."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from attention_zoo.errors import UserError
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.fill_mask.task import FillMask
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import Bert, BertClassifier, BertPretrainer, BertTokenClassifier


def test_class_weights(tokenizer, encoder):
    model = BertClassifier(2, encoder)
    plain, weighted = (
        Classify(model, tokenizer, ["x", "y"], class_weights=weights)
        for weights in (None, [1.0, 3.0])
    )
    rows = plain.to_ids([("alpha", "x"), ("beta", "y")])
    batch = [tf.constant(np.stack(column)) for column in zip(*rows, strict=True)]
    singles = [
        [float(v) for v in plain.loss([f[i : i + 1] for f in batch], training=False)]
        for i in range(2)
    ]
    total, count = weighted.loss(batch, training=False)
    assert float(total) == pytest.approx(singles[0][0] + 3 * singles[1][0], rel=1e-5)
    assert float(count) == 4


def test_class_weights_of_several_labels(tokenizer, encoder):
    model = BertClassifier(2, encoder)
    losses = []
    for weights in ([1.0, 0.0], [0.0, 1.0], [2.0, 3.0]):
        task = Classify(model, tokenizer, ["x", "y"], "several", class_weights=weights)
        batch = [tf.constant(column[None]) for column in task.to_ids([("alpha", "x")])[0]]
        losses.append([float(v) for v in task.loss(batch, training=False)])
    (of_x, one), (of_y, _), (both, count) = losses
    assert both == pytest.approx(2 * of_x + 3 * of_y, rel=1e-5)
    assert one == count == 1
    with pytest.raises(ValueError, match="class_weights are for labels"):
        Classify(BertClassifier(1, encoder), tokenizer, [], "number", class_weights=[1.0])


@pytest.mark.parametrize(
    ("problem", "label", "message"),
    [
        ("one", "w", "unknown label 'w'; accepted: x, y"),
        ("several", "x,w", "unknown label 'w'"),
        ("number", "w", "label must be a number, received 'w'"),
    ],
)
def test_unknown_labels(problem, label, message, tokenizer, encoder):
    labels = [] if problem == "number" else ["x", "y"]
    model = BertClassifier(len(labels) or 1, encoder)
    with pytest.raises(UserError, match=message):
        Classify(model, tokenizer, labels, problem).to_ids([("alpha", label)])


def test_several_labels_may_be_none(tokenizer, encoder):
    task = Classify(BertClassifier(2, encoder), tokenizer, ["x", "y"], "several")
    columns = [tf.constant(["alpha"] * 3)]
    logits = np.array([[3.0, -3.0], [3.0, 3.0], [-3.0, -3.0]], "float32")
    outputs = task.read({"logits": logits}, task.encode(*columns), *columns)
    assert outputs["label"].numpy().tolist() == [b"x", b"x,y", b""]


def test_tags_stand_with_words():
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "ada", "love", "##lace", ",", "codes"])
    task = Tag(
        BertTokenClassifier.from_preset("bert_tiny", num_outputs=2, vocab_size=10),
        tokenizer,
        ["B-PER", "O"],
        max_length=6,
    )
    text = ["Ada Lovelace, \u200b codes codes"]  # a word of which nothing is left
    inputs = task.encode(tf.constant(text))
    assert inputs["words"].numpy().tolist() == [[0, 1, 2, 0, 0, 0]]
    logits = np.zeros((1, 6, 2), "float32")
    logits[0, 1:3, 0] = 1.0
    outputs = task.read({"logits": logits}, inputs, tf.constant(text))
    assert outputs["tags"].numpy().tolist() == [[b"B-PER", b"B-PER", b"O", b"O", b"O"]]
    (row,) = task.to_ids([(text[0], "B-PER O O O O")])
    assert row[2].tolist() == [0, 1, 2, 0, 0, 0]
    with pytest.raises(UserError, match="5 words but 2 tags"):
        task.to_ids([(text[0], "O O")])
    with pytest.raises(UserError, match="unknown tag 'I-LOC'"):
        task.to_ids([("ada", "I-LOC")])


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_poolings(pooling, tokenizer, encoder, randomize):
    model = randomize(Bert(**encoder))
    task = Embed(model, tokenizer, pooling)
    ids = np.array([[2, 5, 6, 3, 0], [2, 7, 3, 0, 0]], "int32")
    mask = (ids > 0).astype("int32")
    states = model({"token_ids": ids})["states"].numpy()
    for row, (state, kept) in enumerate(zip(states, mask, strict=True)):
        rows = state[kept > 0]
        pooled = {"mean": rows.mean(axis=0), "cls": rows[0], "max": rows.max(axis=0)}[pooling]
        found = task.compute({"token_ids": ids, "mask": mask})["embedding"][row]
        assert_allclose(found, pooled / np.linalg.norm(pooled), atol=1e-5)


def test_pairs_are_trained_against_the_others_of_the_batch(tokenizer, encoder):
    task = Embed(Bert(**encoder), tokenizer, fields=("text", "pair"))
    texts = ["alpha beta", "gamma", "delta é"]
    pairs = ["beta", "gamma gamma", "你"]
    rows = task.to_ids(list(zip(texts, pairs, strict=True)))
    fields = [
        np.array([np.pad(row[i], (0, 6 - len(row[i]))) for row in rows] + [np.zeros(6, int)])
        for i in range(2)
    ]
    total, count = task.loss([tf.constant(f, tf.int32) for f in fields], training=False)
    first, second = task.embed(texts), task.embed(pairs)
    logits = 20.0 * first @ second.T
    expected = np.log(np.exp(logits).sum(axis=1)) - logits.diagonal()
    assert float(total) == pytest.approx(expected.sum(), rel=1e-4)
    assert float(count) == 3


def test_masks_in_text(tokenizer, encoder):
    task = FillMask(BertPretrainer(encoder), tokenizer)
    ids = task.encode(tf.constant(["[MASK] beta[MASK]", "alpha", "[MASK]"]))["token_ids"].numpy()
    mask = tokenizer.mask_id
    assert ids.tolist() == [[2, mask, 6, mask, 3], [2, 5, 3, 0, 0], [2, mask, 3, 0, 0]]
    masks = [len(p.record["masks"]) for p in task.predict(["[MASK] a [MASK]", "alpha", "[MASK]"])]
    assert masks == [2, 0, 1]


def test_pretraining_loss_is_the_mean_over_tokens_plus_the_mean_over_pairs(tokenizer, encoder):
    documents = [("alpha beta gamma\ndelta e é\n你好 who",), ("gamma . ,\nbeta beta",)] * 5
    both = FillMask(BertPretrainer(encoder), tokenizer)
    rows = both.to_ids(documents)
    assert {len(row) for row in rows} == {3}
    assert {int(row[2][0]) for row in rows} == {0, 1}
    width = max(len(row[0]) for row in rows)
    ids, segments = (
        tf.constant(np.array([np.pad(row[i], (0, width - len(row[i]))) for row in rows]))
        for i in range(2)
    )
    stranger = tf.constant(np.array([row[2] for row in rows]))
    seed = tf.constant([1, 2])
    total, count = both.loss((ids, segments, stranger), training=False, seed=seed)
    tokens, same = both.loss((ids, segments), training=False, seed=seed)
    assert float(count) == float(same)
    pairs = float(total / count) - float(tokens / same)
    assert pairs == pytest.approx(np.log(2), abs=0.2)  # it knows nothing yet


def test_next_sentences_need_two_documents(tokenizer, encoder):
    with pytest.raises(UserError, match="at least two documents"):
        FillMask(BertPretrainer(encoder), tokenizer).to_ids([("alpha\nbeta",)])
