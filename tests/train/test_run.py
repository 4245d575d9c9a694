"""Run directories: whose they are, what they go on with, and where they may lie."""

import json
import shutil

import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.files import locked
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe
from attention_zoo.tasks.loading import load_task

RECIPE = """\
model: {preset: transformer_tiny, width: 16, num_heads: 2, feed_forward_width: 24,
        num_encoder_blocks: 1, num_decoder_blocks: 1}
data: {train: train.tsv, valid: valid.tsv, source: 1, target: 2}
tokenizer: {kind: characters}
train: {batch_tokens: 64, steps: 2, evaluate_every: 2, evaluate_examples: 4}
"""
MORE = ["train.steps=4"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    words = ["".join("abcd"[(i * k) % 4] for k in range(1, 5)) for i in range(1, 30)]
    rows = [f"{word}\t{word.upper()}\n" for word in words]
    (folder / "train.tsv").write_text("".join(rows))
    (folder / "valid.tsv").write_text("".join(rows[:4]))
    (folder / "recipe.yaml").write_text(RECIPE)
    train_recipe(load_recipe(folder / "recipe.yaml"), folder / "run")
    return folder


@pytest.fixture
def project(trained, tmp_path):
    """A folder with a recipe, its data, and a run of two steps."""
    return shutil.copytree(trained, tmp_path / "project")


def go_on(folder):
    recipe = load_recipe(folder / "recipe.yaml", MORE)
    return train_recipe(recipe, folder / "run", resume=True)[1]["steps"]


def test_a_project_may_be_moved(project, tmp_path):
    assert go_on(project.rename(tmp_path / "elsewhere")) == 4


@pytest.mark.parametrize(
    "precision", [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"]
)
def test_a_resumed_run_keeps_its_precision(precision, project):
    """To the bit: in float32 the weights after the last two steps would be others."""
    settings = [f"train.precision={precision}", "train.learning_rate.schedule=constant"]
    whole, resumed = project / "whole", project / "resumed"
    train_recipe(load_recipe(project / "recipe.yaml", [*settings, *MORE]), whole)
    train_recipe(load_recipe(project / "recipe.yaml", settings), resumed)
    task, _ = train_recipe(
        load_recipe(project / "recipe.yaml", [*settings, *MORE]), resumed, resume=True
    )
    assert task.model.compute_dtype == precision.removeprefix("mixed_")
    for name in ("model.safetensors", "optimizer.safetensors"):
        ours, theirs = (run / "checkpoints" / "step-00000004" / name for run in (resumed, whole))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("name", ["train", "valid"])
def test_data_that_changed_where_it_lies_is_noticed(name, project):
    with open(project / f"{name}.tsv", "a") as file:
        file.write("ab\tAB\n")
    with pytest.raises(UserError, match=rf"trained on something else: data.{name} changed since"):
        go_on(project)


def test_another_process_is_kept_out(project):
    with locked(project / "run"):
        with pytest.raises(UserError, match=r"another process is writing to .*run"):
            go_on(project)
        with pytest.raises(UserError, match=r"another process is writing to .*run"):
            load_task(project / "run").fit([("ab", "AB")], out=project / "run", steps=1)
    assert go_on(project) == 4


def test_what_lies_in_a_run_by_accident_or_by_a_link(project, tmp_path):
    run = project / "run"
    shutil.move(run / "task", tmp_path / "task")
    (run / "task").symlink_to(tmp_path / "task")
    (run / "checkpoints" / "step-backup").mkdir()
    (run / "checkpoints" / ".step-00000004.abcd1234.tmp").mkdir()
    assert go_on(project) == 4
    assert (run / "task").is_symlink()
    # The mean of both steps or the last one: either is in the directory that the link is to.
    trained, found = load_task(run), load_task(tmp_path / "task")
    for ours, theirs in zip(trained.model.weights, found.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == [
        "step-00000002",
        "step-00000004",
        "step-backup",
    ]


def test_pretrained_weights_may_be_moved_and_not_changed(project, tmp_path):
    base = shutil.copytree(project / "run", tmp_path / "base")
    recipe, out = project / "recipe.yaml", project / "second"
    settings = ["tokenizer=null", "model={pretrained: %s}"]

    def train(place, *more, **options):
        given = [settings[0], settings[1] % place, *more]
        return train_recipe(load_recipe(recipe, given), out, **options)

    train(base)
    moved = base.rename(tmp_path / "moved")
    assert train(moved, *MORE, resume=True)[1]["steps"] == 4
    task = load_task(moved)
    task.model.set_weights([weight * 1.5 for weight in task.model.get_weights()])
    task.save(moved / "task")
    with pytest.raises(UserError, match=r"something else: model\.pretrained changed since"):
        train(moved, "train.steps=6", resume=True)


def test_a_run_that_failed_before_it_began_leaves_no_directory(project):
    recipe = load_recipe(project / "recipe.yaml", ["data.train=nowhere.tsv"])
    with pytest.raises(UserError, match=r"nowhere\.tsv"):
        train_recipe(recipe, project / "new")
    assert not (project / "new").exists()


def test_the_report_has_the_figures(project):
    report = json.loads((project / "run" / "report.json").read_text())
    assert report["steps"] == 2
