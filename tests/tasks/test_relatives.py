"""DistilBERT and ELECTRA answer as in Transformers; `tests/data/relatives/make.py`."""

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from attention_zoo.errors import UserError
from attention_zoo.export.export import export
from attention_zoo.tasks.importing import import_task
from attention_zoo.tasks.loading import load_task

DATA = Path(__file__).parents[1] / "data" / "relatives"
KINDS = {
    "distilbert_classifier": "classify",
    "distilbert_masked": "fill_mask",
    "electra_classifier": "classify",
    "electra_tags": "tag",
    "electra_generator": "fill_mask",
    "electra_narrow": "classify",
    "electra_discriminator": "embed",
}


@pytest.mark.parametrize("name", KINDS)
def test_numbers_are_those_of_transformers(name, tmp_path):
    task = import_task(DATA / name)
    assert task.kind == KINDS[name]
    task.save(tmp_path / "task")
    for made in (task, load_task(tmp_path / "task")):
        for example in json.loads((DATA / name / "expected.json").read_text()):
            inputs = made.encode(tf.constant([example["text"]]))
            assert inputs["token_ids"].numpy()[0].tolist() == example["ids"]
            output = made.model(inputs)
            if isinstance(output, dict):
                output = output["states" if task.kind == "embed" else "token_logits"]
            assert_allclose(np.asarray(output)[0], example["output"], atol=1e-5)


def test_a_pooler_of_another_activation_is_exported_where_it_can_be(tmp_path):
    task = import_task(DATA / "distilbert_classifier")
    examples = [(text, "LABEL_0") for text in ("ab c .", "e d ? bad", "cab")]
    report = export(task, tmp_path / "out", ["litert", "keras"], examples=examples)
    assert all(artefact["verified"] for artefact in report["artefacts"])
    with pytest.raises(UserError, match="a tanh after the pooler, this one has relu"):
        export(task, tmp_path / "other", ["huggingface"], examples=examples)
    task = import_task(DATA / "distilbert_masked")
    export(task, tmp_path / "back", ["huggingface"], examples=[(text,) for text, _ in examples])
    assert import_task(tmp_path / "back" / "huggingface").kind == "fill_mask"


def test_narrower_embeddings_are_exported_but_not_as_a_bert_of_hugging_face(tmp_path):
    task = import_task(DATA / "electra_narrow")
    assert task.model.bert.embedding_width == 12
    examples = [(text, "LABEL_0") for text in ("ab c .", "e d ? bad", "cab")]
    report = export(task, tmp_path / "out", ["litert", "keras"], examples=examples)
    assert all(artefact["verified"] for artefact in report["artefacts"])
    with pytest.raises(UserError, match="these are narrower"):
        export(task, tmp_path / "other", ["huggingface"], examples=examples)


def test_the_tables_of_the_page_are_those_of_the_registry():
    root = Path(__file__).parents[2]
    page = (root / "docs/how-to/import-weights.md").read_text(encoding="utf-8")
    tables = runpy.run_path(str(root / "docs/hooks.py"))
    for table in ("model_types", "architectures"):
        assert tables[table]() in page, f"write into the page:\n{tables[table]()}"


def test_what_bert_does_not_provide_for_is_refused(tmp_path):
    folder = shutil.copytree(DATA / "electra_tags", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    for changes, message in (
        ({"embedding_size": 12}, "embedding_projection/kernel"),
        ({"model_type": "t5"}, "'t5'; accepted are bert, distilbert, electra, roberta, xlm-rob"),
        ({"architectures": ["ElectraForMultipleChoice"]}, "no task for BertForMultipleChoice"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(UserError, match=message):
            import_task(folder)
