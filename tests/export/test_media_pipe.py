"""MediaPipe's own tokenizer: what it reads as we do, what is cut, and who cannot have a file."""

import keras
import pytest

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export.export import export
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertClassifier

PIECES = [*SPECIAL_PIECES, "cafe", "é", "beta", "##s", ",", "!", "一", "二"]


def make(lower_case=True, problem="one", fields=("text", "label")):
    keras.utils.set_random_seed(3)
    encoder = {
        "vocab_size": len(PIECES),
        "width": 24,
        "num_blocks": 2,
        "num_heads": 3,
        "max_length": 16,
    }
    tokenizer = WordPieceTokenizer(PIECES, lower_case=lower_case)
    task = Classify(BertClassifier(2, encoder), tokenizer, ["x", "y"], problem, fields=fields)
    for variable in task.model.trainable_variables:
        variable.assign(variable * 4.0)
    return task


def test_texts_are_cut_and_those_with_accents_are_not_compared(tmp_path):
    texts = ["Cafe betas, 一二!", "", "beta " * 50, "Café", "É", "beta\u0007"]
    report = export(make(), tmp_path / "out", ["mediapipe"], examples=[(t, "x") for t in texts])
    (artefact,) = report["artefacts"]
    assert artefact["verified"]
    assert artefact["compared"] == 3
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert 'text.TextClassifier.create_from_model_path("mediapipe.tflite")' in page


def test_a_task_that_can_have_none_says_why(tmp_path):
    refused = {
        "cased": make(lower_case=False),
        "one label per text": make(problem="several"),
        "takes pairs": make(fields=("text", "pair", "label")),
    }
    for reason, task in refused.items():
        with pytest.raises(UserError, match=f"the format mediapipe .*{reason}"):
            export(task, tmp_path / "out", ["mediapipe"], examples=[("a", "x")])


@pytest.mark.parametrize(
    "labels",
    [["x", ""], *(pytest.param(x, marks=pytest.mark.slow) for x in (["", "x"], [" a", "a "]))],
)
def test_any_label_of_one_line(labels, tmp_path):
    task = make()
    task.labels = labels
    examples = [(text, labels[0]) for text in ("Cafe betas", "beta", "一二!")]
    (artefact,) = export(task, tmp_path / "out", ["mediapipe"], examples=examples)["artefacts"]
    assert artefact["same_answers"] == 1.0


def test_a_label_of_two_lines(tmp_path):
    task = make()
    task.labels = ["a\nb", "x"]
    with pytest.raises(ResultError, match="a label of the task has a line break"):
        export(task, tmp_path / "out", ["mediapipe"], examples=[("beta", "x")])
