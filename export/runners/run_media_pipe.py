"""Runs a file with MediaPipe's text tasks; see `protocol.py`."""

import os
import sys
import zipfile

if __package__:  # of this package; otherwise it must not be imported
    from attention_zoo.export.runners import protocol
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import protocol

    protocol.ban("attention_zoo", "tensorflow", "keras")

import numpy as np
from mediapipe.tasks.python import text as tasks


def load(path, threads):
    """A function for texts; MediaPipe chooses the number of threads."""
    with zipfile.ZipFile(path) as files:
        is_classifier = "labels.txt" in files.namelist()
    kind = tasks.TextClassifier if is_classifier else tasks.TextEmbedder
    task = kind.create_from_model_path(path)
    answer = classify if is_classifier else embed

    def run(signature, arguments):
        rows = [answer(task, text.decode()) for text in arguments["text"]]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    return run, {}


def classify(task, text):
    """The best label, and the scores of all labels in the order of the file."""
    (result,) = task.classify(text).classifications
    by_index = sorted(result.categories, key=lambda category: category.index)
    best = max(by_index, key=lambda category: category.score)
    scores = np.array([category.score for category in by_index], dtype="float32")
    # MediaPipe has no name for an empty label.
    return {"label": (best.category_name or "").encode(), "scores": scores}


def embed(task, text):
    """The vector of a text."""
    (result,) = task.embed(text).embeddings
    return {"embedding": np.asarray(result.embedding, dtype="float32")}


if __name__ == "__main__":
    protocol.answer(load)
