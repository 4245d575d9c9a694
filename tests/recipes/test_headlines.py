"""The data of headlines, everyday sentences and captions, made from files written here."""

import gzip
import importlib.util
import json
import sys
import zipfile
from pathlib import Path

import pytest

from attention_zoo.recipes.debian_topics.descriptions import Description
from attention_zoo.text.readers import read_examples

RECIPES = Path(__file__).parents[2] / "recipes"


def load(name, monkeypatch):
    path = RECIPES / name
    monkeypatch.syspath_prepend(path.parent)
    sys.modules.pop("make_data", None)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def described(name, source, text="A tool that does a thing or two very well."):
    return Description(name, "misc", f"title of {name}", (text + f" It is {name}.",), source)


def test_packages_of_one_source_are_in_one_split(monkeypatch):
    module = load("headlines/make_data.py", monkeypatch)
    packages = [described(f"p{i}-{part}", f"p{i}") for i in range(100) for part in "abc"]
    pairs = module.pairs_of(packages, module.pair_of)
    splits = module.split(pairs, seed=1)
    assert {name: len(part) for name, part in splits.items()} == {
        "test": 15,
        "valid": 9,
        "train": 276,
    }
    titles = {name: {title for _, title in part} for name, part in splits.items()}
    for each in packages:  # p7-a, p7-b and p7-c are of the source p7
        (of_source,) = [n for n, part in titles.items() if f"title of {each.source}-a" in part]
        assert each.title in titles[of_source]
    assert module.split(pairs, seed=1) == splits
    short = Description("x", "misc", "x", ("Only three words.",), "x")
    twice = described("p0-a", "other")
    assert module.pairs_of([short, packages[0], twice], module.pair_of) == {
        packages[0]: ("A tool that does a thing or two very well. It is p0-a.", "title of p0-a")
    }


def test_the_text_of_a_summary_is_what_follows_it(monkeypatch):
    module = load("summaries/make_data.py", monkeypatch)
    words = "One two three four five six."
    long = Description("a", "misc", "a", (words, words, "Seven eight nine ten."), "a")
    assert module.pair_of(long) == (f"{words} Seven eight nine ten.", words)
    for paragraphs in ((), (words,), (words, words), ("One two.", words, words)):
        assert module.pair_of(long._replace(paragraphs=paragraphs)) is None


def test_the_most_typical_sentence_by_hand(monkeypatch):
    module = load("summaries/baseline.py", monkeypatch)
    vectorizer = module.TfidfVectorizer().fit(["red green", "red blue", "red black white"])
    # Equal weights of "green" twice: the second sentence has most of the text's vector.
    assert module.typical_sentence("Red blue. Green green. Black.", vectorizer) == "Green green."
    assert module.lead("one two three", 2) == "one two"


def test_the_baselines_by_hand(monkeypatch):
    module = load("headlines/baseline.py", monkeypatch)
    assert module.lead("one two three four", 2) == "one two"
    weights = {"three": 2.0, "four": 3.0, "one": 4.0}
    assert module.heaviest_window("one two three, four", 2, weights) == "three, four"
    assert module.heaviest_window("one", 2, weights) == "one"


def test_no_held_out_sentence_is_in_another_row(monkeypatch, tmp_path):
    module = load("zh_en/make_everyday.py", monkeypatch)
    lines = [f"Sentence {i}.\t第{i}句。\tCC-BY 2.0 (France) Attribution: #{i}" for i in range(40)]
    lines += ["sentence 1!\t另一句。\tx", "Only English.\tno Chinese\tx"]
    (tmp_path / "cmn.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    with zipfile.ZipFile(tmp_path / "hsk.whl", "w") as wheel:
        rows = [{"chinese": "第2句。", "translation": {"en": "The second one."}}]
        wheel.writestr(module.MEMBER, json.dumps(rows))
    monkeypatch.setattr(module, "SIZES", {"valid": 5, "test": 10})
    arguments = ["--tatoeba", str(tmp_path / "cmn.txt.gz"), "--hsk", str(tmp_path / "hsk.whl")]
    monkeypatch.setattr(sys, "argv", ["x", *arguments, "--out", str(tmp_path / "out")])
    module.main()
    rows = {
        name: read_examples(tmp_path / "out" / f"{name}.tsv", ["zh", "en", "source"])
        for name in ("train", "valid", "test")
    }
    assert [len(rows["valid"]), len(rows["test"])] == [5, 10]
    held_out = rows["valid"] + rows["test"]
    for column in (0, 1):
        others = {module.key_of(row[column]) for row in rows["train"]}
        keys = [module.key_of(row[column]) for row in held_out]
        assert len(set(keys)) == len(keys)
        assert not others & set(keys)
    assert {row[2] for row in held_out} == {"tatoeba"}
    # The two with another translation are in the training data, and so are the interfaces'.
    train = {row[:2] for row in rows["train"]}
    assert {
        ("第1句。", "Sentence 1."),
        ("另一句。", "sentence 1!"),
        ("第2句。", "Sentence 2."),
    } <= train
    assert "postgresql" in {row[2] for row in rows["train"]}
    (tmp_path / "bad.txt").write_text("only\ttwo\n")
    with pytest.raises(SystemExit, match="line 1: 2 columns, expected 3"):
        module.read_tatoeba(tmp_path / "bad.txt")


def test_captions_are_paired_line_by_line(monkeypatch, tmp_path):
    module = load("multi30k/make_data.py", monkeypatch)
    for split in module.SPLITS.values():
        (tmp_path / f"multi30k.{split}.en.gz").write_bytes(
            gzip.compress("A  dog\u2028runs.\nx\n".encode())
        )
        (tmp_path / f"{split}.de").write_text("Ein Hund rennt.\ny\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["x", "--files", str(tmp_path), "--out", str(tmp_path / "o")])
    module.main()
    rows = read_examples(tmp_path / "o" / "test_2017.tsv", ["en", "de"])
    assert rows == [("A dog runs.", "Ein Hund rennt."), ("x", "y")]
    (tmp_path / "val.de").write_text("y\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="val: 2 captions in English, 1 not"):
        module.main()
    (tmp_path / "train.de").unlink()
    with pytest.raises(SystemExit, match=r"0 files \*train.de or \*train.de.gz, expected one"):
        module.main()
