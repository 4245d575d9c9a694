"""Training on packed rows: the loss is that of the examples one by one."""

import keras
import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe
from attention_zoo.text.packing import PackedBatches
from attention_zoo.text.prepared import ids_of
from attention_zoo.zoo import Transformer


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_packed_row_has_the_logits_of_its_examples(positions, norm, rng):
    keras.utils.set_random_seed(1)
    model = Transformer(
        20,
        width=16,
        num_heads=2,
        feed_forward_width=24,
        num_encoder_blocks=2,
        num_decoder_blocks=2,
        max_length=7,
        positions=positions,
        norm=norm,
    )
    examples = [
        (rng.integers(4, 20, m).tolist(), rng.integers(4, 20, n).tolist())
        for m, n in [(3, 5), (7, 1), (2, 4), (4, 7)]
    ]
    batches = PackedBatches(examples, batch_tokens=28, length=28)
    ((bucket, (row,)),) = batches.plan(0)
    source, target, *segments = batches.gather(bucket, [row])
    assert source.shape[1] > model.max_length  # rows may be longer than the longest example
    packed = model([source, target, *segments]).numpy()[0]
    for segment, index in enumerate(row, start=1):
        alone = model([np.array([field]) for field in examples[index]]).numpy()[0]
        found = packed[segments[1][0] == segment]
        np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-5)
    assert np.isfinite(packed).all()


def test_the_loss_is_the_sum_of_those_of_the_examples(make_task, pairs):
    task = make_task()
    settings = task.recipe.train_settings(packing=30, batch_tokens=60)
    batches = task.training_batches(pairs, settings)
    packed = [
        task.loss(batches.gather(*step), training=False, label_smoothing=0.1)
        for step in batches.plan(0)
    ]
    plain = task.training_batches(pairs, task.recipe.train_settings(batch_tokens=60))
    single = [
        task.loss(plain.gather(*step), training=False, label_smoothing=0.1)
        for step in plain.plan(0)
    ]
    for ours, theirs in zip(np.sum(packed, axis=0), np.sum(single, axis=0), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_scheduled_sampling_and_r_drop_know_the_segments(make_task, pairs):
    task = make_task()
    settings = task.recipe.train_settings(packing=30, batch_tokens=60)
    batches = task.training_batches(pairs[:6], settings)
    batch = batches.gather(*batches.plan(0)[0])
    plain = task.loss(batch, training=False)
    for options in ({"r_drop": 3.0}, {"sampling_probability": 0.0, "seed": (1, 2)}):
        np.testing.assert_allclose(task.loss(batch, training=False, **options), plain, rtol=1e-5)


RECIPE = """
task: seq2seq
model: {preset: transformer_tiny, width: 16, num_heads: 2, feed_forward_width: 16}
data: {train: [{files: a.tsv}, {files: b.tsv, weight: 2.5}], source: zh, target: en}
tokenizer: {kind: characters}
train:
  {steps: 6, evaluate_every: 3, log_every: 1, batch_tokens: 64, packing: 32}
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    for name, size in (("a", 40), ("b", 12)):
        rows = [f"{name * (i % 7 + 1)}\t{'cd' * (i % 5 + 1)}\n" for i in range(size)]
        (tmp_path / f"{name}.tsv").write_text("zh\ten\n" + "".join(rows))
    return lambda *overrides: load_recipe(tmp_path / "recipe.yaml", overrides)


@pytest.mark.slow
def test_a_recipe_with_packing_and_corpora(recipe, tmp_path):
    constant = "train.learning_rate.schedule=constant"
    whole, figures = train_recipe(recipe(constant), tmp_path / "whole")
    assert figures["steps"] == 6
    # Resumed in the middle, it ends with the same weights.
    train_recipe(recipe(constant, "train.steps=3"), tmp_path / "half")
    resumed, _ = train_recipe(recipe(constant), tmp_path / "half", resume=True)
    for ours, theirs in zip(whole.model.weights, resumed.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    # Other weights are other data.
    other = "data.train=[{files: a.tsv}, {files: b.tsv, weight: 2}]"
    with pytest.raises(UserError, match=r"data\.train changed"):
        train_recipe(recipe(constant, other), tmp_path / "half", resume=True)


def test_an_rnn_cannot_keep_examples_apart(make_task, pairs):
    task = make_task(family="rnn")
    with pytest.raises(UserError, match="RNNAttention cannot keep the examples in a row apart"):
        task.fit(pairs, steps=1, packing=32)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.buckets=4", "packed batches have one shape: remove buckets"),
        ("train.packing=1", r"train\.packing: .*greater than 1, received 1"),
        ("data.train=[{files: a.tsv, wieght: 2}]", 'wieght"; did you mean "weight"'),
        ("data.train=[{files: a.tsv, weight: 0}]", r"weight: .*equal to 0.001, received 0"),
        ("data.train=[{weight: 2}]", r'the key "data\.train\.0\.files" is missing'),
        ("data.train=[a.tsv, {files: b.tsv}]", r"data\.train\.0: must be a section"),
        ("data.train=[]", "data.train"),
        ("data.train=3", r"data\.train: .*received 3"),
    ],
)
def test_mistakes(override, message, recipe, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        train_recipe(recipe(override), tmp_path / "run")
    assert "CorpusSettings" not in str(error.value)
    assert str(error.value).count("\n") == 0


def test_ids_of_a_mixture(make_task, pairs):
    from attention_zoo.text.corpora import Mixture

    task = make_task()
    mixture = Mixture([(pairs[:3], 1.0), (pairs[3:5], 4.0)])
    rows = ids_of(task, mixture)
    assert [(corpus.size, corpus.weight) for corpus in rows.corpora] == [(3, 1.0), (2, 4.0)]
    for i, example in enumerate(task.to_ids(pairs[:5])):
        for ours, theirs in zip(rows[i], example, strict=True):
            np.testing.assert_array_equal(ours, theirs)
