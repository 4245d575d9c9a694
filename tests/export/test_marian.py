"""Artefacts of Marian's translators answer as the imported model does."""

from pathlib import Path

import pytest

from attention_zoo.errors import UserError
from attention_zoo.export.export import export
from attention_zoo.loading import load
from attention_zoo.tasks.importing import import_task

DATA = Path(__file__).parents[1] / "data" / "marian"
TEXTS = ["dog", "one red house", "four blue cat old new", "", "one zebra two", "two " * 40]
EXAMPLES = [(text, "eins zwei drei") for text in TEXTS]


@pytest.mark.parametrize(
    ("name", "formats", "quantize"),
    [
        ("ssru", ["litert"], ["none"]),
        pytest.param(
            "ssru",
            ["saved_model", "litert", "onnx"],
            ["none", "dynamic_int8"],
            marks=pytest.mark.slow,
        ),
        pytest.param("attention", ["saved_model", "litert"], ["none"], marks=pytest.mark.slow),
        pytest.param(
            "ssru_pre", ["saved_model", "litert_static"], ["none"], marks=pytest.mark.slow
        ),
        ("transformers_tags", ["saved_model"], ["none"]),
    ],
)
def test_every_artefact_is_verified(name, formats, quantize, tmp_path):
    task = import_task(DATA / name)
    task.max_source_length, task.max_target_length = 20, 16
    report = export(task, tmp_path / "out", formats, quantize, examples=EXAMPLES)
    assert all(artefact["verified"] for artefact in report["artefacts"])
    expected = task.predict(TEXTS)
    for artefact in report["artefacts"]:
        if artefact["format"] in ("saved_model", "litert") and artefact["quantize"] == "none":
            found = load(tmp_path / "out" / artefact["file"]).predict(TEXTS)
            assert [answer.text for answer in found] == [answer.text for answer in expected]


def test_tokens_that_are_never_chosen_are_not_streamed_either(tmp_path):
    # The first choice for this text, so that it matters whether it may be chosen.
    [answer] = import_task(DATA / "ssru").predict(["dog"])
    task = import_task(DATA / "ssru")
    task.beam_size, task.max_source_length, task.max_target_length = 1, 20, 16
    [best] = task.target_tokenizer.rows([answer.text])
    task.suppressed = (*task.suppressed, int(best[0]))
    report = export(task, tmp_path / "out", ["litert_stream"], examples=EXAMPLES)
    assert report["artefacts"][0]["verified"]
    assert report["artefacts"][0]["same_answers"] == 1.0
    assert task.predict(["dog"]) != [answer]


def test_what_keras_has_no_layers_for_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="its decoder has SSRUs, and Keras has no such layer"):
        export(import_task(DATA / "ssru"), tmp_path / "out", ["keras"])
    assert not (tmp_path / "out").exists()
