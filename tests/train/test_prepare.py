"""Preparing data: training on ids in files is training on the text, to the bit."""

import json

import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.recipes import prepare as preparing
from attention_zoo.recipes.prepare import prepare_recipe
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe
from attention_zoo.recipes.training_data import some_of
from attention_zoo.text.prepared import PreparedExamples, write_shard
from attention_zoo.text.readers import read_examples

RECIPE = """
task: seq2seq
model: {preset: transformer_tiny, width: 16, num_heads: 2, feed_forward_width: 16}
data: {train: train.tsv, source: zh, target: en}
tokenizer: {kind: characters}
train:
  {steps: 4, evaluate_every: 4, log_every: 1, batch_tokens: 128, buckets: 2}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe of 250 examples; four shards."""
    monkeypatch.setattr(preparing, "_SHARD", 70)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    rows = [f"{'ab' * (i % 7 + 1)}\t{'c' * (i % 5 + 1)}{i % 10}\n" for i in range(250)]
    (tmp_path / "train.tsv").write_text("zh\ten\n" + "".join(rows))

    def load(*overrides):
        return load_recipe(tmp_path / "recipe.yaml", overrides)

    return load


def losses(out):
    rows = map(json.loads, (out / "logs" / "metrics.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows if row["kind"] == "train"]


def test_training_is_the_same_to_the_bit(recipe, tmp_path):
    prepare_recipe(recipe(), tmp_path / "ids", processes=1)
    task, _ = train_recipe(recipe(), tmp_path / "files")
    again, _ = train_recipe(recipe(f"data.train={tmp_path}/ids"), tmp_path / "prepared")
    assert losses(tmp_path / "files") == losses(tmp_path / "prepared")
    for ours, theirs in zip(task.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert task.examples == again.examples
    # Either continues the other's run.
    more = recipe("train.steps=6", "train.evaluate_every=6")
    train_recipe(more, tmp_path / "prepared", resume=True)
    # Another model is trained on the same ids, another tokenizer is not.
    narrow = recipe(f"data.train={tmp_path}/ids", "model.width=8", "train.steps=1")
    assert train_recipe(narrow, tmp_path / "narrow")[0].model.width == 8
    with pytest.raises(UserError, match=r"another recipe: tokenizer\.kind was char"):
        train_recipe(
            recipe(f"data.train={tmp_path}/ids", "tokenizer.kind=words"), tmp_path / "words"
        )


def test_corpora_have_the_same_weights_as_files(recipe, tmp_path):
    rows = [f"{'b' * (i % 6 + 1)}\t{'a' * (i % 4 + 1)}\n" for i in range(80)]
    (tmp_path / "more.tsv").write_text("zh\ten\n" + "".join(rows))
    train = [f"{{files: {tmp_path}/train.tsv}}", f"{{files: {tmp_path}/more.tsv, weight: 2.5}}"]
    weighted = f"data.train=[{', '.join(train)}]"
    prepared = prepare_recipe(recipe(weighted), tmp_path / "ids", processes=1)
    assert [(c.size, c.weight) for c in prepared.corpora] == [(250, 1.0), (80, 2.5)]
    # No shard holds examples of both.
    assert [shard.rows for shard in prepared.manifest.shards] == [70, 70, 70, 40, 70, 10]
    train_recipe(recipe(weighted), tmp_path / "files")
    train_recipe(recipe(f"data.train={tmp_path}/ids"), tmp_path / "prepared")
    assert losses(tmp_path / "files") == losses(tmp_path / "prepared")
    train_recipe(
        recipe(weighted, "train.steps=6", "train.evaluate_every=6"), tmp_path / "prepared", True
    )
    with pytest.raises(UserError, match="the data changed since"):
        prepare_recipe(recipe(weighted.replace("2.5", "2")), tmp_path / "ids", processes=1)
    with pytest.raises(UserError, match=r"ids has been prepared: .* prepare them together"):
        train_recipe(recipe(f"data.train=[{{files: {tmp_path}/ids}}]"), tmp_path / "both")
    manifest = tmp_path / "ids" / "prepared.json"
    manifest.write_text(manifest.read_text().replace('"size": 80', '"size": 81'))
    with pytest.raises(UserError, match="do not have as many rows as the shards"):
        PreparedExamples(tmp_path / "ids")


def test_ids_are_those_of_the_task(recipe, tmp_path):
    prepared = prepare_recipe(recipe(), tmp_path / "ids", processes=1)
    examples = read_examples(recipe().data.train, ["zh", "en"])
    expected = recipe().build(examples).to_ids(examples)
    assert len(prepared) == prepared.manifest.examples == 250
    assert [shard.rows for shard in prepared.manifest.shards] == [70, 70, 70, 40]
    for index in (0, 69, 70, 139, 140, 249):
        for ours, theirs in zip(prepared[index], expected[index], strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(prepared.lengths, [[len(f) for f in row] for row in expected])
    with pytest.raises(IndexError):
        prepared[250]


def test_several_processes_write_the_same_files(recipe, tmp_path):
    prepare_recipe(recipe(), tmp_path / "one", processes=1)
    prepare_recipe(recipe(), tmp_path / "two", processes=2)
    names = sorted(path.name for path in (tmp_path / "one").iterdir() if path.is_file())
    assert len([name for name in names if name.startswith("train-")]) == 4
    for name in names:
        content = [(tmp_path / folder / name).read_bytes() for folder in ("one", "two")]
        assert content[0] == content[1], name


def test_it_continues_after_the_last_shard(recipe, tmp_path, monkeypatch):
    out = tmp_path / "ids"
    made = []

    def make(path, examples, make_shard=preparing._make_shard):
        made.append((path.name, examples is not None))
        if len(made) == 3:
            raise KeyboardInterrupt
        return make_shard(path, examples)

    monkeypatch.setattr(preparing, "_make_shard", make)
    with pytest.raises(KeyboardInterrupt):
        prepare_recipe(recipe(), out, processes=1)
    made.clear()
    made.append(None)  # so that no call is the third
    made.extend([None] * 3)
    (out / "train-00001.arrow").write_bytes(b"damaged")
    prepared = prepare_recipe(recipe(), out, processes=1)
    tokenized = [name for name, is_new in made[4:] if is_new]
    assert tokenized == ["train-00001.arrow", "train-00002.arrow", "train-00003.arrow"]
    prepared.verify()
    assert not list(out.glob("train-*.json"))
    # Nothing is left to do.
    made.clear()
    prepare_recipe(recipe(), out, processes=1)
    assert not made


def test_other_data_are_not_mixed_in(recipe, tmp_path, monkeypatch):
    out = tmp_path / "ids"

    def fail(path, examples, make_shard=preparing._make_shard):
        if path.name == "train-00001.arrow":
            raise KeyboardInterrupt
        return make_shard(path, examples)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(preparing, "_make_shard", fail)
        prepare_recipe(recipe(), out, processes=1)
    with pytest.raises(UserError, match=r"another recipe: data\.target was en, is now zh"):
        prepare_recipe(recipe("data.target=zh"), out, processes=1)
    train = tmp_path / "train.tsv"
    train.write_text(train.read_text().replace("c7\n", "c3\n"))
    with pytest.raises(UserError, match="the data changed since"):
        prepare_recipe(recipe(), out, processes=1)
    # Nor are stale ids taken for those of the data.
    whole = tmp_path / "whole"
    prepare_recipe(recipe(), whole, processes=1)
    train.write_text(train.read_text() + "ab\tc1\n")
    with pytest.raises(UserError, match="the data changed since"):
        prepare_recipe(recipe(), whole, processes=1)
    before = (tmp_path / "recipe.yaml").read_text()
    with pytest.raises(UserError, match="is not empty; choose another --out"):
        prepare_recipe(recipe(), tmp_path, processes=1)
    assert (tmp_path / "recipe.yaml").read_text() == before


def test_damage_is_noticed(recipe, tmp_path):
    out = tmp_path / "ids"
    prepare_recipe(recipe(), out, processes=1)
    path = out / "train-00002.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"train-00002.arrow is damaged"):
        train_recipe(recipe(f"data.train={out}"), tmp_path / "run")
    path.write_bytes(content[:100])
    with pytest.raises(UserError, match=r"train-00002.arrow is missing or damaged"):
        PreparedExamples(out)
    write_shard(path, [(np.array([1, 2], "int32"), np.array([1], "int32"))])
    with pytest.raises(UserError, match="does not have the 70 rows expected"):
        PreparedExamples(out)
    path.unlink()
    with pytest.raises(UserError, match=r"train-00002.arrow is missing"):
        PreparedExamples(out)


@pytest.mark.parametrize("count", [1, 5, 99, 100, 101, 1000])
def test_some_are_evenly_spaced(count):
    found = list(some_of(range(count), count, most=100))
    assert len(found) == min(count, 100)
    assert found[0] == 0
    gaps = np.diff([*found, count])
    assert gaps.max() - gaps.min() <= 1
