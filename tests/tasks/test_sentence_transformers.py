"""Folders of sentence-transformers: every pooling, `Dense`, prompts; `make_sentences.py`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference.pooling import pool
from reference.sweeps import quick_and_slow

from attention_zoo.errors import UserError
from attention_zoo.export.export import export
from attention_zoo.export.formats import FORMATS
from attention_zoo.layers.pooling import POOLINGS, pool_states
from attention_zoo.loading import load
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.tasks.importing import import_task
from attention_zoo.tasks.loading import load_task
from attention_zoo.train.trainer import Trainer

DATA = Path(__file__).parents[1] / "data" / "roberta"
NAMES = ["sqrt", "last", "weighted", "joined", "dense"]


@pytest.fixture
def folder_of(tmp_path):
    def assemble(name):
        folder = shutil.copytree(DATA / "xlm_roberta_states", tmp_path / name)
        shutil.copytree(DATA / "sentences" / name, folder, dirs_exist_ok=True)
        return folder

    return assemble


def check_vectors(task, name):
    content = json.loads((DATA / "sentences" / name / "expected.json").read_text())
    for prompt, vectors in content["vectors"].items():
        found = task.embed(content["texts"], prompt=prompt or None)
        assert_allclose(found, vectors, atol=2e-5)


@pytest.mark.parametrize("name", quick_and_slow(NAMES, ["dense", "weighted", "sqrt"]))
def test_vectors_are_those_of_sentence_transformers(name, folder_of, tmp_path):
    task = import_task(folder_of(name))
    assert task.max_length == 24
    check_vectors(task, name)
    task.save(tmp_path / "task")
    check_vectors(load_task(tmp_path / "task"), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_artefacts_have_prompts_and_linear_maps(name, folder_of, tmp_path):
    task = import_task(folder_of(name))
    formats = ["saved_model", "litert", "onnx", "huggingface"]
    examples = [("The cat's here.",), ("naïve café",), ("a longer text",)]
    report = export(task, tmp_path / "out", formats, examples=examples)
    assert all(artefact["verified"] for artefact in report["artefacts"])
    for path in ("saved_model", "model.tflite"):
        check_vectors(load(tmp_path / "out" / path), name)
    back = import_task(tmp_path / "out" / "huggingface")
    check_vectors(back, name)
    with pytest.raises(UserError, match=r"has only Keras's own layers|pooling"):
        export(task, tmp_path / "keras", ["keras"], examples=examples)
    if task.default_prompt:
        assert "puts a prompt before them" in FORMATS["mediapipe"].why_not(task)
        assert "only tokenize" in FORMATS["litert_text"].why_not(task)


@pytest.mark.parametrize("modes", [[mode] for mode in POOLINGS] + [["lasttoken", "max"]])
def test_pooling_against_numpy_whatever_the_padding(modes):
    rng = np.random.default_rng(1)
    states, lengths = rng.normal(size=(4, 7, 5)).astype("float32"), np.array([7, 1, 4, 2])
    mask = np.arange(7) < lengths[:, None]
    mask_of_ids = mask.astype("int32")
    found = np.asarray(pool_states(states, mask_of_ids, modes))
    expected = [
        np.concatenate([pool(row[:n], mode) for mode in modes])
        for row, n in zip(states, lengths, strict=True)
    ]
    assert_allclose(found, expected, atol=1e-6)
    states[~mask] = 100.0
    assert_allclose(np.asarray(pool_states(states, mask_of_ids, modes)), expected, atol=1e-6)


def test_fine_tuning_keeps_linear_maps_and_prompts(folder_of, tmp_path):
    import_task(folder_of("dense")).save(tmp_path / "run" / "task")
    (tmp_path / "train.tsv").write_text("text\tpair\n" + "The cat\tcafé\nnaïve\tx\n" * 4)
    (tmp_path / "recipe.yaml").write_text(
        "task: embed\nmodel: {pretrained: run}\ndata: {train: train.tsv, text: text, pair: pair}\n"
        "train: {steps: 2, batch_tokens: 64, learning_rate: {warmup: 0}}\n"
    )
    recipe = load_recipe(tmp_path / "recipe.yaml")
    examples = [("The cat", "café"), ("naïve", "x")] * 4
    task = recipe.build(examples)
    before = [v.numpy() for v in task.model.maps[0].weights]
    assert task.model.projections == [{"units": 10, "use_bias": False, "activation": None}]
    Trainer(task, recipe.train, examples, [], tmp_path / "out", []).run()
    assert not np.allclose(before[0], task.model.maps[0].kernel.numpy())


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("2_Dense/config.json", {"activation_function": "torch.nn.SiLU"}, "activation_function is"),
        ("2_Dense/config.json", {"use_residual": True}, "use_residual is True; accepted: False"),
        ("2_Dense/config.json", {"module_output_name": "x"}, "module_output_name is 'x'"),
        ("1_Pooling/config.json", {"pooling_mode": "median"}, "received median"),
        ("1_Pooling/config.json", {"include_prompt": False}, "include_prompt is False"),
        (
            "config_sentence_transformers.json",
            {"default_prompt_name": "nobody"},
            "default_prompt must be one of",
        ),
    ],
)
def test_other_steps_are_refused(file, change, message, folder_of):
    folder = folder_of("dense")
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **change}))
    with pytest.raises(UserError, match=message):
        import_task(folder)


def test_steps_in_another_order_are_refused(folder_of):
    folder = folder_of("dense")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules[:2], modules[3], modules[2]]))
    with pytest.raises(UserError, match="in this order; received Transformer, Pooling, Normalize"):
        import_task(folder)


def test_a_prompt_that_is_not_there(folder_of):
    task = import_task(folder_of("last"))
    with pytest.raises(UserError, match="there is no prompt 'qery'; did you mean \"query\""):
        task.embed(["x"], prompt="qery")
