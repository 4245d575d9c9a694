"""The script that makes the sentiment data, on a source distribution written here."""

import importlib
import io
import sys
import tarfile

from attention_zoo.text.readers import read_examples


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def test_sentiment(tmp_path, monkeypatch, capsys):
    rows = [
        f"{i}\t{mean}\ttweet  {i}" for i, mean in enumerate([2.5, -1, 0.9, 1, -0.99, 3, -4] * 6)
    ]
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        add(archive, "hutto/tweets_GroundTruth.txt", "\n".join(rows).encode())
        add(archive, "hutto/other_GroundTruth.txt", b"")
    sdist = tmp_path / "sdist.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        name = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
        add(archive, name, inner.getvalue())
    module = importlib.import_module("attention_zoo.recipes.sentiment.make_data")
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["make_data.py", "--sdist", str(sdist), "--out", str(out)])
    module.main()
    assert "train: 24 tweets" in capsys.readouterr().out
    examples = [
        example
        for split in ("train", "valid", "test")
        for example in read_examples(str(out / f"{split}.tsv"), ["text", "sentiment"])
    ]
    assert len(examples) == 30
    found = dict(examples)
    assert found["tweet 0"] == "positive"
    assert found["tweet 1"] == "negative"
    assert "tweet 2" not in found
