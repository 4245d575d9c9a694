"""The tasks that come with the package."""

import pytest

import attention_zoo as az
from attention_zoo.errors import UserError
from attention_zoo.pretrained import locate, pretrained_tasks, title

QUANTIZE = ["none", "dynamic_int8"]
SOUNDS = {
    "attention": "AH T EH N SH AH N",
    "zoo": "Z UW",
    "translation": "T R AE N Z L EY SH AH N",
}
ANSWERS = {
    "g2p_rnn": SOUNDS,
    "g2p_transformer": SOUNDS,
    "zh_en": {
        "我喜欢喝茶。": "I like tea.",
        "请把门关上。": "Please close the door.",
        "今天天气很好。": "The weather is good today.",
    },
}
NAMES = sorted(pretrained_tasks())


def test_what_there_is():
    assert sorted(ANSWERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_task_loads_by_its_name_and_answers(name):
    assert az.load(name)(list(ANSWERS[name])) == list(ANSWERS[name].values())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_task_is_exported_in_8_bits_within_the_gate(name, tmp_path):
    report = az.export(az.load(name), tmp_path / "out", ["saved_model", "litert"], QUANTIZE)
    assert [a["quantize"] for a in report["artefacts"]] == ["none", *QUANTIZE]
    assert all(artefact["verified"] for artefact in report["artefacts"])


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_a_model_card(name):
    folder = pretrained_tasks()[name]
    card = (folder / "README.md").read_text(encoding="utf-8")
    for heading in ("Use", "Data", "Figures", "Limits", "Licence", "How it was made"):
        assert f"\n## {heading}\n" in card, heading
    assert 20 < len(title(folder)) < 100


def test_a_path_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert locate(NAMES[0]) == pretrained_tasks()[NAMES[0]]
    (tmp_path / NAMES[0]).mkdir()
    assert locate(NAMES[0]).resolve() == tmp_path / NAMES[0]


def test_a_name_misspelt():
    with pytest.raises(UserError, match='no task of that name: did you mean "g2p_rnn"'):
        az.load("g2p_rn")
    with pytest.raises(UserError, match=r"runs/none: no such file or directory$"):
        az.load("runs/none")
