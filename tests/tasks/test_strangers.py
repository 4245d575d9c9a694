"""Task directories from strangers and damaged disks."""

import json
import os
import shutil

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from reference.damage import files_in, flips, fuzzed, mutations
from reference.encoder_tasks import TEXTS, make

from attention_zoo.errors import UserError
from attention_zoo.tasks.loading import load_task


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A task directory and what the task answers."""
    task, examples = make("classify")
    task.examples = examples
    directory = tmp_path_factory.mktemp("saved") / "task"
    task.save(directory)
    return directory, task(TEXTS)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "task")


@pytest.fixture
def unsummed(copy):
    """A task directory as earlier versions wrote it, whose files anyone may have changed."""
    (copy / "SHA256SUMS").unlink()
    return copy


def edit(directory, **changes):
    """Changes `task.json`; a name such as `model__config` goes into an object."""
    path = directory / "task.json"
    content = json.loads(path.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        inner = content
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    path.write_text(json.dumps(content))


def edit_weights(directory, change):
    path = directory / "model.safetensors"
    arrays = {n: a.copy() for n, a in safetensors.numpy.load(path.read_bytes()).items()}
    change(arrays)
    path.write_bytes(safetensors.numpy.save(arrays))


def test_a_flipped_bit_in_any_file_is_noticed(copy):
    for path in flips(files_in(copy), 70):
        with pytest.raises(UserError, match=r"is damaged|No such file"):
            load_task(copy)
            pytest.fail(f"{path} was loaded")


def test_whole_directories_load_wherever_they_lie(saved, copy):
    assert load_task(copy)(TEXTS) == saved[1]
    (copy / "README.md").write_text("Mine.")  # which nothing reads
    (copy / "SHA256SUMS").unlink()  # as of earlier versions
    assert load_task(copy)(TEXTS) == saved[1]


def test_a_flipped_bit_where_there_are_no_checksums(unsummed):
    for _ in flips(files_in(unsummed), 15):
        try:
            load_task(unsummed)
        except UserError:
            continue


def test_a_missing_file_is_named(copy):
    (copy / "tokenizer" / "text" / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"tokenizer/text/vocab\.txt: No such file"):
        load_task(copy)


def test_whoever_changes_a_file_learns_how_to_accept_it(copy):
    edit(copy, threshold=0.7)
    message = r"task/task\.json is damaged: .*if you have changed it yourself, remove SHA256SUMS"
    with pytest.raises(UserError, match=message):
        load_task(copy)
    (copy / "SHA256SUMS").unlink()
    assert load_task(copy).threshold == 0.7


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b"])
def test_checksums_of_files_elsewhere(name, copy):
    path = copy / "SHA256SUMS"
    path.write_text(path.read_text() + f"{'0' * 64}  {name}\n")
    with pytest.raises(UserError, match=r"SHA256SUMS is damaged in line \d"):
        load_task(copy)


def test_checksums_that_leave_something_out(copy):
    path = copy / "SHA256SUMS"
    kept = [line for line in path.read_text().splitlines(True) if "task.json" not in line]
    path.write_text("".join(kept))
    with pytest.raises(UserError, match=r"it has no checksum of task\.json"):
        load_task(copy)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "task.json", "examples.jsonl", "tokenizer/text/vocab.txt"]
)
def test_a_link_to_a_device_or_a_pipe_is_no_file(name, unsummed):
    (unsummed / name).unlink()
    os.symlink("/dev/zero", unsummed / name)
    with pytest.raises(UserError, match="is not a file but a directory, a device or a pipe"):
        load_task(unsummed)
    (unsummed / name).unlink()
    os.mkfifo(unsummed / name)
    with pytest.raises(UserError, match="is not a file but a directory, a device or a pipe"):
        load_task(unsummed)


def test_a_link_to_a_file_is_one(saved, copy, tmp_path):
    shutil.move(copy / "model.safetensors", tmp_path / "blob")
    os.symlink(tmp_path / "blob", copy / "model.safetensors")
    assert load_task(copy)(TEXTS) == saved[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_named(value, unsummed):
    edit_weights(unsummed, lambda arrays: arrays["head/bias"].__setitem__(1, value))
    message = r"safetensors: head/bias contains NaN or infinity"
    with pytest.raises(UserError, match=message):
        load_task(unsummed)


def test_a_weight_that_is_no_number_is_not_saved(tmp_path):
    task, _ = make("tag")
    weight = task.model.trainable_variables[0]
    weight.assign(weight * np.nan)
    with pytest.raises(UserError, match=r"token_embedding/table contains NaN"):
        task.save(tmp_path / "task")
    assert not (tmp_path / "task").exists()


def test_weights_of_another_kind(unsummed):
    edit_weights(unsummed, lambda a: a.update({"head/bias": a["head/bias"].astype("int32")}))
    with pytest.raises(UserError, match="head/bias has dtype int32, expected floating point"):
        load_task(unsummed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__config__encoder__num_blocks": 10**7}, "blocks or layers, but only 33 weights"),
        ({"model__config__encoder__vocab_size": 10**9}, "too few for these sizes"),
        ({"model__config__encoder__width": 24000}, "too few for these sizes"),
        ({"model__config__encoder__feed_forward_width": 10**9}, "too few for these sizes"),
        ({"model__config__num_outputs": 10**9}, "too few for these sizes"),
        ({"model__config__encoder__max_length": 10**9}, "max_length must be at most 100000"),
        ({"max_length": 10**9}, "max_length: Input should be less than or equal to 100000"),
        ({"model__config__encoder__num_heads": 0}, "num_heads must be a positive integer"),
        ({"model__config__dtype": "float16"}, "unknown argument 'dtype'"),
        ({"model__config__encoder__dropout": "x"}, r"task\.json: model\.config: "),
        (
            {"model__config__encoder__activation": {"class_name": "system", "module": "os"}},
            "activation must be a number, a name, true or false",
        ),
        ({"model__class": "BertTokenClassifier"}, "no model 'BertTokenClassifier' for classify"),
        ({"task": "tag"}, "no model 'BertClassifier' for tag"),
        ({"task": "clasify"}, 'did you mean "classify"'),
        ({"labels": "x"}, "labels: Input should be a valid list, received 'x'"),
        ({"labels": ["x"]}, r"task\.json: 1 outputs are needed, the model has 3"),
        ({"threshold": "0.5"}, "threshold: Input should be a valid number, received '0.5'"),
        ({"fields": []}, "classify has 2 or 3 columns"),
    ],
)
def test_task_json_that_says_what_cannot_be(changes, message, unsummed):
    edit(unsummed, **changes)
    with pytest.raises(UserError, match=message):
        load_task(unsummed)


@pytest.mark.parametrize("content", ["{", "[]", "NaN", '{"a": "\\ud800"}', "[" * 10**5, "\udcff"])
def test_task_json_that_is_none(content, unsummed):
    (unsummed / "task.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"task\.json"):
        load_task(unsummed)


def test_examples_that_are_none(unsummed):
    for line in ("{", "[1]", '{"a": 1}', '"x"'):
        (unsummed / "examples.jsonl").write_text(f'["a", "x"]\n{line}\n')
        with pytest.raises(UserError, match=r"examples\.jsonl.* line 2"):
            load_task(unsummed)


def test_a_tokenizer_of_another_size(unsummed):
    path = unsummed / "tokenizer" / "text" / "vocab.txt"
    path.write_text(path.read_text() + "zoo\n")
    with pytest.raises(UserError, match="vocab_size is 16, the vocabulary has 17 ids"):
        load_task(unsummed)
    settings_ = path.parent / "tokenizer.json"
    settings_.write_text(settings_.read_text().replace("16", "17"))
    with pytest.raises(UserError, match=r"task\.json: the tokenizer has 17 ids, the model 16"):
        load_task(unsummed)


@fuzzed(50)
@given(data=st.data())
def test_any_task_json_loads_or_is_refused(data, saved, unsummed):
    content = json.loads((saved[0] / "task.json").read_text())
    changed = data.draw(mutations(content))
    (unsummed / "task.json").write_text(json.dumps(changed))
    try:
        load_task(unsummed)
    except UserError:
        return
