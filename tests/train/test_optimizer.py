"""Weight decay, rates of layers, frozen weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from attention_zoo.errors import UserError
from attention_zoo.tasks.classify.settings import ClassifyRecipe
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.train.optimizer import Adafactor, AdamW, Lion, layer_rates, make_optimizer
from attention_zoo.train.settings import TrainSettings
from attention_zoo.zoo import Bert, BertClassifier
from attention_zoo.zoo.weights import saved_weights

ENCODER = {
    "vocab_size": 7,
    "width": 8,
    "num_blocks": 3,
    "num_heads": 2,
    "max_length": 5,
}


TOKENIZER = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b"])


def make_task(task_class=Classify):
    return task_class(BertClassifier(2, ENCODER), TOKENIZER, ["x", "y"])


def trained_variables(task, freeze=None):
    return task.trained_variables(task.recipe.train_settings(freeze=freeze))


def variables():
    rng = np.random.default_rng(0)
    return [
        keras.Variable(rng.normal(size=(3, 2)).astype("float32"), name=name)
        for name in ("kernel", "bias", "token_bias", "table", "gamma")
    ]


@pytest.mark.parametrize(
    ("our_class", "their_class", "more"),
    [
        (AdamW, keras.optimizers.AdamW, {"epsilon": 1e-6}),
        (Lion, keras.optimizers.Lion, {"beta_2": 0.9}),
        (Adafactor, keras.optimizers.Adafactor, {"relative_step": False}),
    ],
)
def test_weight_decay_is_that_of_keras(our_class, their_class, more):
    ours, theirs = variables(), variables()
    options = {"learning_rate": 0.1, "weight_decay": 0.3, **more}
    optimizers = our_class(**options), their_class(**options)
    optimizers[1].exclude_from_weight_decay(var_names=["bias", "gamma"])
    rng = np.random.default_rng(1)
    for optimizer, values in zip(optimizers, (ours, theirs), strict=True):
        optimizer.build(values)
    for _ in range(4):
        gradients = [tf.constant(rng.normal(size=(3, 2)), tf.float32) for _ in ours]
        for optimizer, values in zip(optimizers, (ours, theirs), strict=True):
            optimizer.apply(gradients, values)
    for first, second in zip(ours, theirs, strict=True):
        assert_allclose(first.numpy(), second.numpy(), atol=1e-6)


def test_a_rate_moves_weight_and_decay_alike():
    slow, fast = variables()[:1], variables()[:1]
    optimizers = (
        AdamW(0.1, weight_decay=0.5, rates=lambda v: 0.25),
        AdamW(0.025, weight_decay=0.5),
    )
    for optimizer, values in zip(optimizers, (slow, fast), strict=True):
        optimizer.build(values)
        optimizer.apply([tf.ones((3, 2))], values)
    assert_allclose(slow[0].numpy(), fast[0].numpy(), atol=1e-7)


def settings(**given):
    return TrainSettings.model_validate(given)


def test_settings_of_each_optimizer():
    """Another optimizer's are an error, and what is written is read again."""
    adafactor = settings(optimizer="adafactor")
    assert (adafactor.beta_1, adafactor.beta_2, adafactor.epsilon) == (None, None, None)
    lion = settings(optimizer="lion")
    assert (lion.beta_1, lion.beta_2, lion.epsilon) == (0.9, 0.99, None)
    assert settings(optimizer="adamw").weight_decay == 0.01
    assert settings(optimizer="adamw", weight_decay=0.2).weight_decay == 0.2
    assert settings(beta_2=None).beta_2 == 0.98
    for one in (adafactor, lion):
        assert TrainSettings.model_validate(one.model_dump()) == one
    with pytest.raises(ValueError, match='unknown key "beta_2"; adafactor has the keys weight'):
        settings(optimizer="adafactor", beta_2=0.9)
    with pytest.raises(ValueError, match='unknown key "epsilon"; lion has the keys beta_1, beta_2'):
        settings(optimizer="lion", epsilon=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"), [("lion", Lion), ("adafactor", Adafactor), ("adamw", AdamW)]
)
def test_an_optimizer_is_chosen_by_name(name, expected):
    made = make_optimizer(settings(optimizer=name, weight_decay=0.3), 0.1, variables())
    assert type(made) is expected
    assert made.decay == 0.3


def test_rates_fall_from_the_head_down():
    model = BertClassifier(2, ENCODER)
    rate = layer_rates(model.bert, 0.5)
    found = {name: rate(v) for name, v in saved_weights(model).items()}
    assert found["head/kernel"] == 1.0
    assert found["pooler/kernel"] == 1.0
    assert found["block_2/self_attention/output/kernel"] == 0.5
    assert found["block_0/feed_forward/inner/bias"] == 0.125
    for name in ("token_embedding/table", "position/table", "embedding_norm/gamma"):
        assert found[name] == 0.0625
    assert set(found.values()) == {1.0, 0.5, 0.25, 0.125, 0.0625}


@pytest.mark.parametrize(
    ("what", "trained"),
    [
        ("encoder", {"head"}),
        (0, {"block_0", "block_1", "block_2", "pooler", "head"}),
        (2, {"block_2", "pooler", "head"}),
    ],
)
def test_frozen_weights(what, trained):
    task = make_task()
    found = {v.path.split("/")[1] for v in trained_variables(task, what)}
    assert found == trained
    assert len(task.model.trainable_variables) == len(task.model.weights)


def test_what_its_owner_has_frozen_stays_frozen_beside_the_setting():
    task = make_task()
    task.model.bert.blocks[1].trainable = False
    found = {v.path.split("/")[1] for v in trained_variables(task, 1)}
    assert found == {"block_2", "pooler", "head"}


def test_unused_weights_are_not_trained():
    class WithIdleHead(Classify):
        @property
        def unused_weights(self):
            return self.model.head.weights

    task = make_task(WithIdleHead)
    variables = trained_variables(task)
    assert variables == [v for v in task.model.trainable_variables if "head" not in v.path]


def test_what_cannot_be_frozen():
    with pytest.raises(UserError, match=r"train\.freeze: there are 3 blocks, received 4"):
        trained_variables(make_task(), 4)
    with pytest.raises(UserError, match=r"nothing to train; train\.freeze is 'encoder'"):
        trained_variables(Embed(Bert(**ENCODER), TOKENIZER), "encoder")


def test_settings_choose_the_class():
    model = BertClassifier(2, ENCODER)
    plain = make_optimizer(TrainSettings(), 0.1, model.trainable_variables)
    assert type(plain) is keras.optimizers.Adam
    settings = ClassifyRecipe.train_settings(layer_decay=0.9)
    rates = Classify(model, TOKENIZER, ["x", "y"]).rates(settings)
    decayed = make_optimizer(settings, 0.1, model.trainable_variables, rates)
    assert type(decayed) is AdamW
    assert (decayed.decay, float(decayed.beta_2), decayed.epsilon) == (0.01, 0.999, 1e-6)
    head = next(v for v in model.trainable_variables if "head" in v.path)
    block = next(v for v in model.trainable_variables if "block_0" in v.path)
    assert decayed.rates(block) / decayed.rates(head) == pytest.approx(0.9**3)
