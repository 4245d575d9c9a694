"""Trains one model to say what several say together ("Distilling the Knowledge in a Neural
Network", Hinton et al. 2015).

    python recipes/g2p/distil.py runs/student --student g2p_transformer \
      --teachers g2p_transformer,g2p_rnn --set train.steps=10000

The mean of what the teachers expect at each place of the training answers is computed once. The
student learns it beside the answers themselves, as `recipe.yaml` says for the rest.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import tensorflow as tf
import typer

import attention_zoo as az
from attention_zoo.errors import UserError
from attention_zoo.files import require_empty
from attention_zoo.pretrained import locate
from attention_zoo.tasks.losses import smoothed_cross_entropy
from attention_zoo.tasks.seq2seq import Seq2Seq
from attention_zoo.tasks.text_to_text import pad_rows, shift_right
from attention_zoo.text.readers import read_examples
from attention_zoo.train.building import make_task
from attention_zoo.train.recipe import load_recipe
from attention_zoo.train.trainer import Trainer

RECIPE = Path(__file__).with_name("recipe.yaml")
_BATCH = 256


class Student(Seq2Seq):
    """A task whose loss is that of answers and teachers.

    Args:
        task: the task that is to learn.
        teachers: tasks with the same tokenizers.
        examples: training examples.
        share: of the teachers in the loss, 0 to 1.

    Raises:
        UserError: if a teacher has other tokens.
    """

    def __init__(self, task, teachers, examples, share):
        super().__init__(
            task.model,
            task.source_tokenizer,
            task.target_tokenizer,
            task.max_source_length,
            task.max_target_length,
            task.beam_size,
            task.length_penalty,
            task.fields,
            task.replace_unknown,
        )
        for teacher in teachers:
            if any(_tokens(teacher, side) != _tokens(task, side) for side in ("source", "target")):
                raise UserError("a teacher has other tokens than the student")
        self.share = share
        rows = super().to_ids(examples)
        # What the teachers expect at all places of all answers, one answer after the other.
        self._expected_NV = tf.constant(expectations(teachers, rows))
        self._last = len(self._expected_NV) - 1
        lengths = [len(target_ids) for _, target_ids in rows]
        self._first = dict(zip(examples, np.cumsum([0, *lengths[:-1]]), strict=True))

    def to_ids(self, examples):
        """As usual, and where what the teachers expect begins; 0 for what they were not asked."""
        rows = super().to_ids(examples)
        firsts = [np.array([self._first.get(example, 0)]) for example in examples]
        return [(*row, first) for row, first in zip(rows, firsts, strict=True)]

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """The loss of the answers, and in training that of the teachers."""
        source_ids, target_ids, first_B1 = batch
        if not training:
            return super().loss((source_ids, target_ids), training, label_smoothing)
        logits_BTV = self.model([source_ids, shift_right(target_ids)], training=training)
        logits_BTV = tf.cast(logits_BTV, tf.float32)
        is_target_BT = tf.not_equal(target_ids, 0)
        total, count = smoothed_cross_entropy(logits_BTV, target_ids, is_target_BT, label_smoothing)
        # Beyond the end of an answer stands the next one, which does not count.
        place_BT = first_B1 + tf.range(tf.shape(target_ids)[1])
        expected_BTV = tf.gather(self._expected_NV, tf.minimum(place_BT, self._last))
        losses_BT = tf.nn.softmax_cross_entropy_with_logits(
            tf.cast(expected_BTV, tf.float32), logits_BTV
        )
        of_teachers = tf.reduce_sum(losses_BT * tf.cast(is_target_BT, tf.float32))
        return (1.0 - self.share) * total + self.share * of_teachers, count


def _tokens(task, side):
    tokenizer = getattr(task, f"{side}_tokenizer")
    return list(tokenizer.pieces(range(tokenizer.vocab_size)))


def expectations(teachers, rows):
    """The mean of the teachers' probabilities for each id of the answers, float16 `(N, V)`.

    Args:
        teachers: tasks.
        rows: pairs of arrays of source ids and target ids.
    """
    models = [
        tf.function(teacher.model.__call__, autograph=False, reduce_retracing=True)
        for teacher in teachers
    ]
    found = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        source_ids, target_ids = (pad_rows([row[side] for row in part]) for side in (0, 1))
        pair = [tf.constant(source_ids), shift_right(tf.constant(target_ids))]
        mean_BTV = sum(tf.nn.softmax(model(pair)) for model in models) / len(models)
        found.append(mean_BTV.numpy()[target_ids != 0].astype("float16"))
    return np.concatenate(found)


def main(
    out: Annotated[Path, typer.Argument(help="the run directory to write")],
    student: Annotated[str, typer.Option(help="a run or a name of the zoo, where it begins")],
    teachers: Annotated[str, typer.Option(help="runs or names of the zoo, with commas between")],
    share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="of the teachers in the loss")
    ] = 0.7,
    dropout: Annotated[float, typer.Option(help="of the student")] = 0.2,
    settings: Annotated[
        list[str], typer.Option("--set", help="replace a value of the recipe: train.steps=100")
    ] = (),
):
    """Trains the student on one device; the run directory gets checkpoints, logs and the task."""
    require_empty(out, "choose another run directory")
    model = f"model={{pretrained: {locate(student).absolute()}, dropout: {dropout}}}"
    recipe = load_recipe(RECIPE, ["tokenizer=null", model, *settings])
    if recipe.train.scheduled_sampling:
        raise UserError("train.scheduled_sampling: a student reads the answers, not its own words")
    train, valid = (
        read_examples(files, recipe.columns) for files in (recipe.data.train, recipe.data.valid)
    )
    asked = [az.load(name.strip()) for name in teachers.split(",")]
    task = Student(make_task(recipe, train), asked, train, share)
    metrics = recipe.evaluate.metrics or task.metrics
    figures = Trainer(task, recipe.train, train, valid, out, metrics).run()
    print(f"{out}: {figures['steps']:,} steps in {figures['seconds']:.0f} s; {figures['valid']}")
    if figures["interrupted"]:
        raise typer.Exit(130)


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
