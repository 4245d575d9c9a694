"""Checks of tasks."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.contract import Example, Signature
from attention_zoo.tasks.loading import load_task
from attention_zoo.tasks.task import Task
from attention_zoo.testing.check import (
    Check,
    check,
    expect,
    expect_close,
    kept,
    run_checks,
)

_SEED = (1, 2)


@dataclasses.dataclass(frozen=True)
class TaskCase:
    """A task and examples to test it with; the arguments are those of `check_task`."""

    task: Task
    examples: Sequence[Example]
    loss_draws: bool = False

    @property
    def name(self) -> str:
        """The class of the task."""
        return type(self.task).__name__

    @property
    def texts(self) -> list[Any]:
        """The inputs of the examples."""
        return [self.task.input_of(example) for example in self.examples]

    def batch(self, count: int | None = None) -> list[np.ndarray]:
        """Examples as a padded batch of ids; all rows, or the first ones."""
        rows = self.task.to_ids(self.examples)[:count]
        expect(rows, "to_ids returned no rows")
        widths = [max(len(array) for array in column) for column in zip(*rows, strict=True)]
        return [
            np.array([np.pad(row[i], (0, width - len(row[i]))) for row in rows])
            for i, width in enumerate(widths)
        ]

    def loss(self, batch: Sequence[np.ndarray]) -> tuple[Any, Any]:
        """The sum of losses and the number of targets, tensors; without dropout."""
        fields = [tf.constant(field) for field in batch]
        return self.task.loss(fields, training=False, seed=tf.constant(_SEED))

    def mean_loss(self) -> float:
        """The loss of the examples."""
        total, count = self.loss(self.batch())
        return float(total) / float(count)


def _agree(task: Task, first: Any, second: Any) -> bool:
    """Whether two answers are the same, or nearly equal numbers."""
    if first.text == second.text or task.is_same(first.text, second.text):
        return True
    ours, theirs = (tf.nest.flatten(answer.record) for answer in (first, second))
    return len(ours) == len(theirs) and all(_near(a, b) for a, b in zip(ours, theirs, strict=True))


def _near(first: Any, second: Any) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-4, abs_tol=1e-5)
    return first == second


def _expect_agreement(
    case: TaskCase, answers: Sequence[Any], expected: Sequence[Any], message: str
) -> None:
    expect(len(answers) == len(expected), f"{message}: {len(answers)} answers, not {len(expected)}")
    for i, (answer, wanted) in enumerate(zip(answers, expected, strict=True)):
        expect(
            _agree(case.task, answer, wanted),
            f"{message}, text {i}: {answer.text!r}, expected {wanted.text!r}",
        )


@check("to_ids and loss: the ids in a batch, and a division by a count that may be 0")
def loss_is_finite(case: TaskCase) -> None:
    """The loss of examples is a finite sum and a positive number of targets, both scalars."""
    total, count = case.loss(case.batch())
    for name, value in (("sum", total), ("number of targets", count)):
        expect(tf.rank(value) == 0, f"the {name} has shape {tf.shape(value).numpy().tolist()}")
        expect(np.isfinite(float(value)), f"the {name} is {float(value)}")
    expect(float(count) > 0, f"the number of targets is {float(count)}")


@check("loss: rows whose ids are all 0 must be masked in the sum and not counted")
def rows_of_padding_do_not_count(case: TaskCase) -> None:
    """Rows of padding change neither the sum of losses nor the number of targets."""
    batch = case.batch(2)
    more = [np.concatenate([field, np.zeros_like(field)]) for field in batch]
    total, count = case.loss(batch)
    padded_total, padded_count = case.loss(more)
    expect_close(padded_count, count, "numbers of targets")
    if not case.loss_draws:
        expect_close(padded_total, total, "sums of losses", atol=1e-6)


@check("loss: operations that stop gradients; list weights without effect in unused_weights")
def gradient_reaches_every_trained_weight(case: TaskCase) -> None:
    """The gradient of the loss is finite and not 0 for every trained weight."""
    weights = case.task.trained_variables(case.task.recipe.train_settings())
    with tf.GradientTape() as tape:
        total, _ = case.loss(case.batch())
    gradients = tape.gradient(total, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        expect(gradient is not None, f"no gradient reaches {weight.path}")
        size = float(tf.reduce_max(tf.abs(tf.convert_to_tensor(gradient))))
        expect(0 < size < np.inf, f"the largest gradient of {weight.path} is {size}")


@check("read_answers: an answer for each row of the outputs, in the same order")
def predict_keeps_the_order(case: TaskCase) -> None:
    """Answers are in the order of the texts, for any lengths and number of texts."""
    task, texts = case.task, case.texts
    answers = task.predict(texts)
    expect(len(answers) == len(texts), f"{len(answers)} answers to {len(texts)} texts")
    _expect_agreement(case, task.predict(texts[::-1]), answers[::-1], "texts in reverse")
    repeats = 1 + 40 // len(texts)  # more than a batch of predict
    _expect_agreement(case, task.predict(texts * repeats), answers * repeats, "many texts")
    expect(task.predict([]) == [], "an empty list of texts has answers")


@check(
    "compute, respond and read: padding and other rows; if they matter, set answers_alone to False",
    lambda case: case.task.answers_alone,
)
def batch_changes_no_answer(case: TaskCase) -> None:
    """A text has the same answer alone and in a batch."""
    together = case.task.predict(case.texts)
    for text, answer in zip(case.texts, together, strict=True):
        alone = case.task.predict([text])
        _expect_agreement(case, alone, [answer], f"{text!r} alone")
        expect(alone[0].record.keys() == answer.record.keys(), f"{text!r}: records differ")


@check("read_answers: record may contain only Python numbers, strings, lists and dicts, not NumPy")
def records_are_json(case: TaskCase) -> None:
    """A record is the same after conversion to JSON and back; lines are strings."""
    for answer in case.task.predict(case.texts):
        record = json.loads(json.dumps(answer.record))
        expect(record == answer.record, f"{answer.record} became {record}")
        expect(
            all(isinstance(line, str) and "\n" not in line for line in answer.lines),
            f"lines are {answer.lines!r}",
        )


def _ask(signature: Signature, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    function, specs = signature
    function = tf.function(function, input_signature=specs, autograph=False)
    return {name: np.asarray(v) for name, v in function(*map(tf.constant, arrays)).items()}


def _columns(case: TaskCase) -> list[np.ndarray]:
    return [np.array(column, dtype=object) for column in case.task.columns(case.texts)]


@check("signatures, answers and read_answers")
def serving_signature_answers_as_predict(case: TaskCase) -> None:
    """A client that calls serving_default with strings gets the answers of predict."""
    task, expected = case.task, case.task.predict(case.texts)
    outputs = _ask(task.signatures()["serving_default"], _columns(case))
    if task.decodes:  # The signature has only the best answer, unlike `read_answers`.
        _expect_same_texts(case, task.answers(outputs, case.texts), [a.text for a in expected])
    else:
        read = task.read_answers(outputs, _columns(case))
        _expect_agreement(case, read, expected, "read_answers of serving_default")


def _expect_same_texts(case: TaskCase, texts: Sequence[str], expected: Sequence[str]) -> None:
    expect(len(texts) == len(expected), f"answers gave {len(texts)} for {len(expected)} texts")
    for i, (text, wanted) in enumerate(zip(texts, expected, strict=True)):
        expect(case.task.is_same(text, wanted), f"text {i}: {text!r}, expected {wanted!r}")


@check("signatures, lite_signatures, inputs_of and compared")
def id_signatures_give_numbers_and_answers(case: TaskCase) -> None:
    """Ids give the numbers by which artefacts are compared, and the answers of predict."""
    task, inputs = case.task, case.task.export_inputs(case.examples)
    compared, lite = task.compared, task.lite_signatures()["serving_default"]
    signature = task.signatures()[compared.signature]
    numbers = _ask(signature, [inputs[name] for name in compared.inputs])
    names = f"{compared.signature} has the outputs {', '.join(numbers)}, not {compared.output}"
    expect(compared.output in numbers, names)
    expect(np.isfinite(numbers[compared.output]).all(), f"{compared.output} is not finite")
    # Encoders have one function for both.
    is_same = task.id_inputs == compared.inputs and not task.decodes
    ids = numbers if is_same else _ask(lite, [inputs[name] for name in task.id_inputs])
    _expect_same_texts(case, task.answers(ids, case.texts), _answers(case))


def _answers(case: TaskCase) -> list[str]:
    """The expected result of `answers`, which may differ from that of `predict`."""
    task, columns = case.task, _columns(case)
    if task.decodes:
        return task(case.texts)
    return task.answers(task.engine.respond(task, columns, {}), case.texts)


@check("the recipe's task_config, which lists the fields of task.json, tokenizers, load_tokenizers")
def save_and_load(case: TaskCase) -> None:
    """A task has the same settings and answers after saving and loading."""
    task = case.task
    with tempfile.TemporaryDirectory() as folder:
        task.save(Path(folder) / "task")
        loaded = load_task(Path(folder) / "task")
    for name, value in vars(task).items():
        if isinstance(value, str | int | float | tuple | list) and name != "examples":
            after = getattr(loaded, name)
            expect(after == value, f"{name} is {value!r}, after loading {after!r}")
    examples = [tuple(example) for example in task.examples]
    expect(loaded.examples == examples, f"the examples {examples} became {loaded.examples}")
    for before, after in zip(task.predict(case.texts), loaded.predict(case.texts), strict=True):
        expect(after.record == before.record, f"{before.record} became {after.record}")


@check("loss: its sign, and the targets of to_ids")
def training_lowers_the_loss(case: TaskCase, ratio: float = 1.1) -> None:
    """Some steps of fit leave the loss finite and at most a tenth higher."""
    before = case.mean_loss()
    settings = {"steps": 25, "batch_tokens": 256, "buckets": 1, "evaluate_every": 25}
    learning_rate = {"peak": 2e-3, "warmup": 2}
    with kept(case.task.model.variables):
        examples = [*case.examples] * 8
        case.task.fit(examples, learning_rate=learning_rate, **settings)
        after = case.mean_loss()
    expect(after < ratio * before, f"the loss was {before:.4g} and became {after:.4g}")


@check("encode: texts without tokens, and max_length, to which ids must be truncated")
def blank_and_long_texts_are_answered(case: TaskCase) -> None:
    """Texts that are empty, white space, or longer than the maximum have answers."""
    task, count = case.task, len(case.task.text_inputs)
    longest = task.longest(task.id_inputs[0])
    words = [b" ".join(column).decode().split() or ["a"] for column in task.columns(case.texts)]
    long = [" ".join(column * (1 + longest // len(column))) for column in words]
    texts = [[""] * count, [" \t\n"] * count, long]
    answers = task.predict([row[0] if count == 1 else tuple(row) for row in texts])
    expect(len(answers) == len(texts), f"{len(answers)} answers to {len(texts)} texts")
    expect(all(isinstance(answer.text, str) for answer in answers), "an answer is not a string")


@check(
    "metrics, references, and recipe.kind_of_answers, which selects metrics",
    lambda case: bool(case.task.metrics),
)
def metrics_accept_the_answers(case: TaskCase) -> None:
    """Each of the task's metrics scores its answers."""
    scores = case.task.evaluate(case.examples)["metrics"]
    expect([*scores] == [*case.task.metrics], f"{[*scores]} were computed")
    for name, score in scores.items():
        expect(np.isfinite(score), f"{name} is {score}")


@check("check_options: an unknown option must be a UserError")
def unknown_options_are_refused(case: TaskCase) -> None:
    """Predict rejects unknown options."""
    try:
        case.task.predict(case.texts[:1], no_such_option=1)
    except UserError as error:
        expect("no_such_option" in str(error), f"the message does not name it: {error}")
    else:
        raise AssertionError("predict(texts, no_such_option=1) gave answers")


TASK_CHECKS: tuple[Check[TaskCase], ...] = (
    loss_is_finite,
    rows_of_padding_do_not_count,
    gradient_reaches_every_trained_weight,
    predict_keeps_the_order,
    batch_changes_no_answer,
    records_are_json,
    serving_signature_answers_as_predict,
    id_signatures_give_numbers_and_answers,
    save_and_load,
    training_lowers_the_loss,
    blank_and_long_texts_are_answered,
    metrics_accept_the_answers,
    unknown_options_are_refused,
)


def check_task(task: Task, examples: Sequence[Example], *, loss_draws: bool = False) -> None:
    """Checks the properties of all tasks in this package.

    The loss is finite, ignores rows of padding and reaches every weight; answers are in the order
    of the texts and do not depend on the batch; signatures with strings or ids give the same
    answers; a saved task gives the same answers; training works; blank and over-long texts are
    answered; metrics accept the answers.

    Args:
        task: a task with a small model, whose weights are restored afterwards. They should not
            be those of a new model, which may give all texts the same answer.
        examples: a few examples, tuples of strings, with texts of different lengths.
        loss_draws: whether the loss draws random numbers by the shape of the batch, like the masks
            of `fill_mask`; then rows of padding may change the sum of losses.

    Raises:
        AssertionError: naming the property that does not hold.

    Example:
        >>> from attention_zoo.text.character_tokenizer import CharacterTokenizer
        >>> from attention_zoo.tasks.seq2seq.task import Seq2Seq
        >>> from attention_zoo.zoo import RNNAttention
        >>> model = RNNAttention(source_vocab_size=7, width=8, max_length=9)
        >>> task = Seq2Seq(model, CharacterTokenizer("abc"))
        >>> check_task(task, [("a", "bc"), ("abc", "c"), ("cabba", "ab")])
    """
    run_checks(TASK_CHECKS, TaskCase(task, examples, loss_draws))
