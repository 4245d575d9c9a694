"""Every check of `attention_zoo.testing` fails for something that is broken in just that way."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from attention_zoo import testing
from attention_zoo.tasks.encoder_task import Prediction
from attention_zoo.tasks.rank.task import Rank
from attention_zoo.testing.check import expect_close, kept, randomize
from attention_zoo.testing.tasks import training_lowers_the_loss
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertClassifier, Transformer

EXTENDING = Path(__file__).parent / "extending"


def test_a_users_own_model_and_task():
    code = """
import my_metric, my_model, my_task
from attention_zoo import BertClassifier, WordPieceTokenizer, testing

testing.check_model(my_model.MeanOfSource(source_vocab_size=13, target_vocab_size=11, width=6))

tokenizer = WordPieceTokenizer.train(["good bad so very film"] * 9, vocab_size=60)
encoder = {"vocab_size": tokenizer.vocab_size, "width": 12, "num_blocks": 1, "num_heads": 3}
model = BertClassifier(1, {**encoder, "max_length": 20})
task = my_task.Stars(model, tokenizer, fields=("text", "stars"))
examples = [("so good", "5"), ("a very very bad film", "0"), ("film", "2"), ("good", "4")]
testing.check_task(task, examples)
"""
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, cwd=EXTENDING, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-3000:]


def assert_fails(check, case, cause):
    with pytest.raises(AssertionError) as error:
        check(case)
    message = str(error.value)
    assert message.startswith(f"{case.name} fails the check {check.__name__}.\nExpected: ")
    assert f"\nLook at: {check.hint}" in message
    assert cause in message


def broken(base, **methods):
    """A subclass of which some methods are others."""
    return type(f"Broken{base.__name__}", (base,), methods)


# Layers


@keras.saving.register_keras_serializable("testing")
class Smooth(keras.layers.Layer):
    """Adds to each position the mean of those up to it, and scales the sum."""

    def __init__(self, factor=1.0, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.factor, self.dropout = factor, dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, inputs_shape):
        if not self.built:
            self.scale = self.add_weight((inputs_shape[-1],), "ones", name="scale")

    def call(self, inputs, attention_mask=None, training=False):
        mask_BT = ops.ones(ops.shape(inputs)[:2]) if attention_mask is None else attention_mask
        mask_BT1 = ops.expand_dims(ops.cast(mask_BT, self.compute_dtype), 2)
        mean_BTD = ops.cumsum(inputs * mask_BT1, 1) / ops.maximum(ops.cumsum(mask_BT1, 1), 1)
        return self.drop((inputs + self.factor * mean_BTD) * self.scale, training=training)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor, "dropout": self.dropout}


class Forgets(Smooth):
    def get_config(self):
        return {**keras.layers.Layer.get_config(self), "dropout": self.dropout}


class Constant(Smooth):
    def get_config(self):
        return {**super().get_config(), "factor": 1.0}


class BuildsAgain(Smooth):
    def build(self, inputs_shape):
        if self.built:
            self.scale.assign(ops.ones_like(self.scale))
        super().build(inputs_shape)


class NeedsLengths(Smooth):
    def call(self, inputs, attention_mask=None, training=False):
        return super().call(inputs, attention_mask, training) * (inputs.shape[1] + 1)


class Float(Smooth):
    def call(self, inputs, attention_mask=None, training=False):
        return ops.cast(super().call(inputs, attention_mask, training), "float32")


class StopsGradients(Smooth):
    def call(self, inputs, attention_mask=None, training=False):
        output = super().call(inputs, attention_mask, training)
        return ops.stop_gradient(output) + 0 * ops.sum(self.scale)


class IgnoresTheMask(Smooth):
    def call(self, inputs, attention_mask=None, training=False):
        return super().call(inputs) + ops.mean(inputs, axis=1, keepdims=True)


@keras.saving.register_keras_serializable("testing")
class LooksAhead(Smooth):
    def call(self, inputs, attention_mask=None, training=False):
        output = super().call(inputs, attention_mask, training)
        return output if attention_mask is None else output + ops.roll(inputs, -1, axis=1)


BROKEN_LAYERS = {
    "config_has_every_argument": (Forgets, "get_config lacks 'factor'"),
    "config_round_trip": (Constant, "outputs of the copy and of the original"),
    "building_again_changes_no_weight": (BuildsAgain, "scale"),
    "dynamic_batch_and_length": (NeedsLengths, "NoneType"),
    "save_and_load": (broken(Smooth), "Could not locate class 'BrokenSmooth'"),
    "mixed_precision_of_all_layers": (Float, "the output is float32"),
    "mixed_precision_of_this_layer": (Float, "the output is float32"),
    "one_training_step_changes_every_weight": (StopsGradients, "changed by 0"),
    "padding_changes_no_valid_output": (IgnoresTheMask, "4 more masked positions"),
    "future_changes_nothing": (LooksAhead, "mask of rank 2"),
}


def layer_case(layer_class):
    inputs = np.random.default_rng(3).normal(size=(2, 3, 4)).astype("float32")
    inputs = {"inputs": inputs, "attention_mask": np.ones((2, 3), bool)}
    return testing.LayerCase(lambda: layer_class(factor=2.0, dropout=0.2), inputs, causal=True)


def test_a_sound_layer():
    case = layer_case(Smooth)
    testing.check_layer(case.make_layer, case.inputs, causal=True)


@pytest.mark.parametrize("check", testing.LAYER_CHECKS)
def test_broken_layers(check):
    layer_class, cause = BROKEN_LAYERS[check.__name__]
    assert_fails(check, layer_case(layer_class), cause)


def test_check_layer_stops_at_what_is_broken():
    inputs = {"inputs": np.ones((2, 3, 4)), "attention_mask": np.ones((2, 3), bool)}
    with pytest.raises(AssertionError, match="LooksAhead fails the check padding_changes"):
        testing.check_layer(lambda: LooksAhead(factor=2.0), inputs, causal=True)


# Sequence-to-sequence models


def changed_call(change):
    """A `call` whose logits are changed by a function of them and the ids."""

    def call(self, inputs, training=False):
        return change(Transformer.call(self, inputs, training), *inputs)

    return broken(Transformer, call=call)


def step_at_0(self, token_ids, position, cache, memory):
    return Transformer.step(self, token_ids, 0, cache, memory)


def step_in_float(self, *arguments):
    logits, *others = Transformer.step(self, *arguments)
    return ops.cast(logits, "float32"), *others


def step_in_python(self, token_ids, position, cache, memory):
    return Transformer.step(self, token_ids, np.int32(position), cache, memory)


def attention_of_2(self, inputs):
    return 2 * Transformer.attention_weights(self, inputs)


def call_without_padding(self, inputs, training=False):
    return Transformer.call(self, [ops.maximum(inputs[0], 1), inputs[1]], training)


def build_anew(self, input_shape):
    is_built = self.built
    Transformer.build(self, input_shape)
    if is_built:
        self.weights[0].assign(0 * self.weights[0])


def build_twins(self, input_shape=None):
    self.twins = [keras.layers.Dense(1, name="twin") for _ in range(2)]
    for twin in self.twins:
        twin.build((None, 2))
    type(self).__base__.build(self, input_shape)


def config_without_norm(self):
    config = Transformer.get_config(self)
    return {name: value for name, value in config.items() if name != "norm"}


def count_of(source):
    return ops.expand_dims(ops.sum(ops.cast(source > 0, "float32"), axis=1, keepdims=True), 2)


def through_strings(logits, source, target):
    lengths = tf.strings.length(tf.strings.as_string(source))
    return logits + 0 * tf.cast(tf.reduce_sum(lengths), logits.dtype)


AS_FLOAT = changed_call(lambda logits, s, t: ops.cast(logits, "float32"))
BROKEN_MODELS = {
    "steps_agree_with_the_call": (broken(Transformer, step=step_at_0), "logits of step 1"),
    "steps_without_reorder_agree_with_the_call": (broken(Transformer, step=step_at_0), "step 1"),
    "attention_of_steps_is_that_of_the_call": (
        broken(Transformer, attention_weights=attention_of_2),
        "sums of weights",
    ),
    "padding_changes_nothing": (
        broken(Transformer, call=call_without_padding),
        "logits with a longer source",
    ),
    "batch_changes_nothing": (
        changed_call(lambda logits, s, t: logits - ops.mean(logits, axis=0)),
        "logits in a batch and alone",
    ),
    "future_tokens_change_no_logit": (
        changed_call(lambda logits, s, t: logits - ops.mean(logits, axis=1, keepdims=True)),
        "logits before position 1",
    ),
    "empty_source_is_finite": (
        changed_call(lambda logits, source, t: logits / count_of(source)),
        "infinite",
    ),
    "config_round_trip": (broken(Transformer, get_config=config_without_norm), ""),
    "save_and_load": (broken(Transformer), "Could not locate class 'BrokenTransformer'"),
    "weights_by_name": (broken(Transformer, build=build_twins), "two weights named twin/kernel"),
    "building_again_changes_no_weight": (broken(Transformer, build=build_anew), "embedding"),
    "graph_with_dynamic_shapes": (
        changed_call(lambda logits, source, t: logits / int(source.shape[1])),
        "NoneType",
    ),
    "xla_with_dynamic_shapes": (changed_call(through_strings), "AsString"),
    "steps_in_a_graph_with_dynamic_shapes": (broken(Transformer, step=step_in_python), "symbolic"),
    "mixed_precision_of_all_layers": (AS_FLOAT, "logits are float32"),
    "mixed_precision_of_this_model": (AS_FLOAT, "logits are float32"),
    "mixed_precision_of_steps": (broken(Transformer, step=step_in_float), "logits are float32"),
    "one_training_step_changes_every_weight": (
        changed_call(lambda logits, s, t: 0 * logits + ops.stop_gradient(logits)),
        "changed by 0",
    ),
    "nothing_is_drawn_outside_training": (
        changed_call(lambda logits, s, t: logits + keras.random.uniform((1,))),
        "outputs of two calls",
    ),
}


@pytest.mark.parametrize("check", testing.SEQ2SEQ_CHECKS)
def test_broken_models(check):
    model_class, cause = BROKEN_MODELS[check.__name__]
    options = {"width": 8, "num_heads": 2, "feed_forward_width": 5, "norm": "pre"}
    options |= {"num_encoder_blocks": 1, "num_decoder_blocks": 1, "max_length": 9}
    assert_fails(check, testing.ModelCase(lambda: model_class(11, **options)), cause)


# Encoders


def changed_encoder(change):
    def call(self, inputs, training=False):
        return change(BertClassifier.call(self, inputs, training), inputs)

    return broken(BertClassifier, call=call)


def call_without_mask(self, inputs, training=False):
    ones = ops.ones_like(inputs["token_ids"])
    return BertClassifier.call(self, {**inputs, "mask": ones}, training)


def call_that_needs_the_mask(self, inputs, training=False):
    return BertClassifier.call(self, {**inputs, "mask": inputs["mask"]}, training)


def config_of_more(self):
    return {**BertClassifier.get_config(self), "num_outputs": 4}


def head_anew(self, input_shape=None):
    is_built = self.built
    BertClassifier.build(self, input_shape)
    if is_built:
        self.weights[0].assign(0 * self.weights[0])


SENSITIVE = changed_encoder(lambda logits, inputs: ops.sin(1e4 * logits))
BROKEN_ENCODERS = {
    "padding_changes_nothing": (
        broken(BertClassifier, call=call_without_mask),
        "more tokens of padding",
    ),
    "batch_changes_nothing": (
        changed_encoder(lambda logits, inputs: logits - ops.mean(logits, axis=0)),
        "in a batch and alone",
    ),
    "mask_may_be_omitted": (broken(BertClassifier, call=call_that_needs_the_mask), "KeyError"),
    "config_round_trip": (broken(BertClassifier, get_config=config_of_more), ""),
    "save_and_load": (broken(BertClassifier), "Could not locate class 'BrokenBertClassifier'"),
    "weights_by_name": (broken(BertClassifier, build=build_twins), "two weights named twin/kernel"),
    "building_again_changes_no_weight": (broken(BertClassifier, build=head_anew), "embedding"),
    "graph_with_dynamic_shapes": (
        changed_encoder(lambda logits, inputs: logits / int(inputs["token_ids"].shape[1])),
        "NoneType",
    ),
    "xla_with_dynamic_shapes": (
        changed_encoder(lambda logits, inputs: through_strings(logits, inputs["token_ids"], 0)),
        "AsString",
    ),
    "mixed_precision_of_all_layers": (SENSITIVE, "bfloat16 and float32"),
    "mixed_precision_of_this_model": (SENSITIVE, "bfloat16 and float32"),
    "nothing_is_drawn_outside_training": (
        changed_encoder(lambda logits, inputs: logits + keras.random.uniform((1,))),
        "outputs of two calls",
    ),
}
ENCODER = {"width": 12, "num_blocks": 1, "num_heads": 3, "feed_forward_width": 8, "max_length": 16}


@pytest.mark.parametrize("check", testing.ENCODER_CHECKS)
def test_broken_encoders(check):
    model_class, cause = BROKEN_ENCODERS[check.__name__]
    case = testing.ModelCase(lambda: model_class(3, {"vocab_size": 11, **ENCODER}))
    assert_fails(check, case, cause)


def test_check_model_knows_the_kind_and_leaves_a_model_as_it_is():
    model_class, _ = BROKEN_ENCODERS["padding_changes_nothing"]
    model = model_class(3, {"vocab_size": 11, **ENCODER})
    before = model.get_weights()
    with pytest.raises(AssertionError, match="BrokenBertClassifier fails the check padding"):
        testing.check_model(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


# Tasks


def changed_loss(change):
    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        return change(*Rank.loss(self, batch, training, label_smoothing, seed), batch)

    return broken(Rank, loss=loss)


def read_from_mean(self, numbers, inputs, *columns):
    scores = Rank.read(self, numbers, inputs, *columns)["score"]
    return {"score": scores - tf.reduce_mean(scores)}


def answers_as(change):
    def read_answers(self, outputs, columns, **options):
        return change(Rank.read_answers(self, outputs, columns))

    return broken(Rank, read_answers=read_answers)


def signatures_of(name, function):
    def signatures(self):
        known = Rank.signatures(self)
        return {**known, name: (function(known[name][0]), known[name][1])}

    return broken(Rank, signatures=signatures)


def more(function):
    return lambda *arguments: {name: 1 + value for name, value in function(*arguments).items()}


def encode_nothing_blank(self, query, passage):
    first = tf.strings.split(tf.strings.strip(query))[:, :1].to_tensor()[:, 0]
    with tf.control_dependencies([tf.debugging.assert_greater(tf.strings.length(first), 0)]):
        return Rank.encode(self, tf.identity(query), passage)


class WithSetting(Rank):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.temperature = 3.0


BROKEN_TASKS = {
    "loss_is_finite": (changed_loss(lambda t, n, b: (t / 0, n)), "the sum is"),
    "rows_of_padding_do_not_count": (
        changed_loss(lambda t, n, b: (t, tf.cast(tf.shape(b[0])[0], tf.float32))),
        "numbers of targets",
    ),
    "gradient_reaches_every_trained_weight": (
        changed_loss(lambda t, n, b: (tf.stop_gradient(t), n)),
        "no gradient reaches",
    ),
    "predict_keeps_the_order": (answers_as(lambda answers: answers[::-1]), "text 0"),
    "batch_changes_no_answer": (broken(Rank, read=read_from_mean), "alone"),
    "records_are_json": (
        answers_as(lambda a: [Prediction(p.text, {"score": np.float32(1)}) for p in a]),
        "not JSON serializable",
    ),
    "serving_signature_answers_as_predict": (
        signatures_of("serving_default", more),
        "read_answers of serving_default, text 0",
    ),
    "id_signatures_give_numbers_and_answers": (signatures_of("ids", more), "text 0"),
    "save_and_load": (WithSetting, "temperature"),
    "training_lowers_the_loss": (
        changed_loss(lambda t, n, b: (2 * tf.stop_gradient(t) - t, n)),
        "the loss was",
    ),
    "blank_and_long_texts_are_answered": (broken(Rank, encode=encode_nothing_blank), "Error"),
    "metrics_accept_the_answers": (
        answers_as(lambda answers: [Prediction("good", a.record) for a in answers]),
        "good",
    ),
    "unknown_options_are_refused": (
        broken(Rank, check_options=lambda self, options: {}),
        "gave answers",
    ),
}


def task_case(task_class):
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, *["a", "b", "c", "d", "e", "f"]])
    model = randomize(BertClassifier(1, {"vocab_size": tokenizer.vocab_size, **ENCODER}))
    task = task_class(model, tokenizer, "identity")
    texts = ["a b", "c", "d e f a", "b f", "e"]
    return testing.TaskCase(task, [("a", text, str(i % 2)) for i, text in enumerate(texts)])


@pytest.mark.parametrize("check", testing.TASK_CHECKS)
def test_broken_tasks(check):
    task_class, cause = BROKEN_TASKS[check.__name__]
    assert_fails(check, task_case(task_class), cause)


def test_training_leaves_the_weights_as_they_are():
    case = task_case(Rank)
    before = case.task.model.get_weights()
    training_lowers_the_loss(case, ratio=1.0)
    for old, new in zip(before, case.task.model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_check_task_stops_at_what_is_broken():
    case = task_case(BROKEN_TASKS["loss_is_finite"][0])
    with pytest.raises(AssertionError, match="BrokenRank fails the check loss_is_finite"):
        testing.check_task(case.task, case.examples)


# What checks are made of


def test_numbers_are_compared_within_tolerances():
    expect_close({"a": tf.constant([1.0])}, {"a": np.array([1.000001])}, "same")
    with pytest.raises(AssertionError, match="logits"):
        expect_close(tf.constant([1.0]), [1.1], "logits")
    with pytest.raises(AssertionError, match="2 outputs, not 1"):
        expect_close([tf.constant(1.0)] * 2, tf.constant(1.0), "outputs")


def test_variables_are_restored_after_an_error():
    variable = keras.Variable(1.0)
    with pytest.raises(ValueError, match="stop"), kept([variable]):
        variable.assign(2.0)
        raise ValueError("stop")
    assert float(variable) == 1.0


def test_every_check_has_a_name_a_statement_and_a_hint():
    groups = (
        (testing.LAYER_CHECKS, BROKEN_LAYERS),
        (testing.SEQ2SEQ_CHECKS, BROKEN_MODELS),
        (testing.ENCODER_CHECKS, BROKEN_ENCODERS),
        (testing.TASK_CHECKS, BROKEN_TASKS),
    )
    for checks, cases in groups:
        assert sorted(check.__name__ for check in checks) == sorted(cases)
        for check in checks:
            assert check.statement.endswith(".")
            assert check.hint
