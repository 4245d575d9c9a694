"""Trains a task with Keras on JAX, on all devices together, and leaves it to TensorFlow.

    KERAS_BACKEND=tensorflow python train_on_jax.py prepare recipe.yaml RUN
    KERAS_BACKEND=jax python train_on_jax.py train RUN EPOCHS

The first one builds the tokenizers and an untrained task, and writes the ids of the training data.
The second one needs no TensorFlow. For seq2seq, and for classify with one label per text.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

import attention_zoo as az
from attention_zoo.checksums import write_checksums
from attention_zoo.text.batching import TokenBatches
from attention_zoo.text.vocabulary import START_ID
from attention_zoo.zoo import MODELS
from attention_zoo.zoo.weights import WEIGHTS_FILE, read_weights, write_weights


def prepare(recipe_file, run):
    """Writes the task, with fresh weights, and the ids of its training examples."""
    recipe = az.load_recipe(recipe_file)
    examples = az.read_examples(recipe.data.train, recipe.columns, holds=recipe.holds)
    task = recipe.build(examples)
    task.examples = examples[:100]
    task.save(run / "task")
    batches = TokenBatches(task.to_ids(examples), recipe.train.batch_tokens, num_buckets=1)
    (bucket,) = batches.buckets
    rows = batches.gather(bucket, np.arange(len(examples)))
    rate = recipe.train.learning_rate.peak or 1e-3
    np.savez(run / "ids.npz", *rows, settings=[bucket.rows, rate], task=task.kind)


def inputs_and_targets(task, fields):
    """What a model takes, what it should predict, and which of that counts."""
    if task == "seq2seq":
        source_ids, target_ids = fields
        shifted = np.pad(target_ids[:, :-1], ((0, 0), (1, 0)), constant_values=START_ID)
        return [source_ids, shifted], target_ids, (target_ids > 0).astype("float32")
    token_ids, segment_ids, labels = fields
    mask = (token_ids > 0).astype("int32")
    inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "mask": mask}
    return inputs, labels[:, 0], np.ones(len(labels), "float32")


def train(run, epochs):
    """Trains the model of a task, each device on its part of every batch."""
    keras.utils.set_random_seed(0)
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    devices = len(keras.distribution.list_devices())
    description = json.loads((run / "task" / "task.json").read_text(encoding="utf-8"))["model"]
    model = MODELS[description["class"]](**description["config"])
    read_weights(model, run / "task" / WEIGHTS_FILE)
    with np.load(run / "ids.npz") as file:
        fields = [file[f"arr_{i}"] for i in range(len(file.files) - 2)]
        task, (batch_size, learning_rate) = str(file["task"]), file["settings"]
    batch_size = max(int(batch_size) // devices, 1) * devices
    count = len(fields[0]) // batch_size * batch_size
    inputs, targets, weights = inputs_and_targets(task, [field[:count] for field in fields])
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.AdamW(learning_rate, global_clipnorm=1.0), loss)
    model.fit(inputs, targets, batch_size, epochs, sample_weight=weights, verbose=2)
    write_weights(model, run / "task" / WEIGHTS_FILE)
    write_checksums(run / "task")
    outputs = model.predict(keras.tree.map_structure(lambda x: x[:batch_size], inputs), verbose=0)
    np.savez(run / "outputs.npz", outputs=outputs)
    print(f"trained on {devices} devices of {keras.backend.backend()}")


if __name__ == "__main__":
    command, first, second = sys.argv[1:]
    prepare(first, Path(second)) if command == "prepare" else train(Path(first), int(second))
