"""The recipes of the papers: complete, and trained for a few steps on data of the same shape."""

from pathlib import Path

import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe
from attention_zoo.recipes.training_data import read_training_data

RECIPES = Path(__file__).parents[2] / "recipes"
PAPERS = ["wmt14_en_de/base.yaml", "wmt14_en_de/big.yaml", "bert_base/recipe.yaml"]


@pytest.mark.parametrize("name", PAPERS)
def test_the_dataset_is_one_that_tfds_can_build(name, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"is not on this machine: .*prepare it with: tfds build"):
        read_training_data(load_recipe(RECIPES / name))


def test_base_and_big_differ_as_in_the_paper():
    base, big = (load_recipe(RECIPES / name).model_dump() for name in PAPERS[:2])
    for section in ("data", "tokenizer", "options", "evaluate", "export"):
        assert base[section] == big[section]
    differences = {
        name: (value, big["train"][name])
        for name, value in base["train"].items()
        if value != big["train"][name]
    }
    # Sections 5.2 and 6.1, and ten minutes between checkpoints.
    assert differences == {
        "steps": (100_000, 300_000),
        "evaluate_every": (1500, 600),
        "average_last": (5, 20),
    }


def words(rng, count):
    """Words of a made-up language, common ones more often, as by Zipf."""
    vocabulary = ["".join(rng.choice(list("abdegiklmnorstuv"), 2 + i % 6)) for i in range(3000)]
    ranks = np.minimum(rng.zipf(1.3, count), len(vocabulary)) - 1
    return [vocabulary[rank] for rank in ranks]


def sentences(rng, count):
    """Sentences with the lengths of WMT's: about 25 words, at most 80."""
    lengths = np.clip(rng.lognormal(3.05, 0.55, count).astype(int), 1, 80)
    drawn = iter(words(rng, int(lengths.sum())))
    return [" ".join(next(drawn) for _ in range(length)) for length in lengths]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_a_few_steps_on_data_of_the_same_shape(name, rng, tmp_path):
    if name.startswith("wmt14"):
        pairs = zip(sentences(rng, 3000), sentences(rng, 3000), strict=True)
        (tmp_path / "train.tsv").write_text("en\tde\n" + "".join(f"{a}\t{b}\n" for a, b in pairs))
        data = tmp_path / "train.tsv"
    else:
        lines = sentences(rng, 4000)
        documents = ["\n".join(lines[i : i + 20]) for i in range(0, len(lines), 20)]
        data = tmp_path / "train.txt"
        data.write_text("\n\n".join(documents) + "\n")
    recipe = load_recipe(
        RECIPES / name,
        [
            f"data.train={data}",
            "data.valid=null",
            "data.test=null",
            "tokenizer.vocab_size=2000",
            "train.batch_tokens=1024",
            "train.steps=3",
            "train.log_every=1",
        ],
    )
    task, figures = train_recipe(recipe, tmp_path / "run")
    assert figures["steps"] == 3
    assert task.model.width == {"base.yaml": 512, "big.yaml": 1024}.get(Path(name).name, 768)
    assert all(np.isfinite(w.numpy()).all() for w in task.model.weights)
