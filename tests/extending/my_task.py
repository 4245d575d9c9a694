"""A task of an encoder: how many stars, from 0 to 5, a text deserves."""

from typing import ClassVar, Literal

import numpy as np
import tensorflow as tf

import attention_zoo as az
from attention_zoo.tasks.encoder_settings import EncoderData
from attention_zoo.tasks.settings import Column
from attention_zoo.text.examples import read_number


class Data(EncoderData):
    """Files and columns: a text and its stars."""

    text: Column
    stars: Column


@az.register_task
class StarsRecipe(az.EncoderRecipe):
    """The recipe of the task: what it has beyond every encoder's."""

    task: Literal["stars"]
    data: Data
    kind: ClassVar[str] = "stars"
    answers: ClassVar[str] = "a number"  # by it metrics are chosen
    head: ClassVar[str] = "BertClassifier"

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        return Stars


class Stars(az.EncoderTask):
    """A number from 0 to 5: the sigmoid of the one logit, times 5."""

    recipe = StarsRecipe
    metrics = ("mean_absolute_error",)
    field_counts = (2,)

    @classmethod
    def head_options(cls, options):
        """See `EncoderTask`."""
        return {"num_outputs": 1}

    def read(self, numbers, inputs, *columns):
        """Logits to `stars`."""
        return {"stars": 5.0 * tf.sigmoid(numbers["logits"][:, 0])}

    def read_answers(self, outputs, columns, **options):
        """Stars to answers."""
        return [az.Prediction(f"{s:.2f}", {"stars": float(s)}) for s in outputs["stars"]]

    def is_same(self, first, second):
        """Whether an artefact's answer is the model's: the last decimal may differ."""
        return abs(float(first) - float(second)) < 0.02

    def to_ids(self, examples):
        """Token ids, segment ids and the stars, from 0 to 1."""
        stars = [np.array([read_number(e, "stars") / 5.0], "float32") for e in examples]
        return list(zip(*self.id_rows(examples), stars, strict=True))

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """The squared error; rows of padding do not count."""
        token_ids, segment_ids, stars = batch
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids}
        logits = self.model(inputs, training=training)
        mask = tf.cast(token_ids[:, 0] > 0, tf.float32)
        errors = tf.square(tf.sigmoid(logits) - stars)[:, 0]
        return tf.reduce_sum(errors * mask), tf.reduce_sum(mask)
