"""The tasks that come with the package."""

import pytest

import attention_zoo as az
from attention_zoo.errors import UserError
from attention_zoo.pretrained import locate, pretrained_tasks, title

NAMES = sorted(pretrained_tasks())


def test_what_there_is():
    assert NAMES == ["g2p_rnn", "g2p_transformer"]


@pytest.mark.parametrize("name", NAMES)
def test_every_task_loads_by_its_name_and_answers(name):
    words = ["attention", "zoo", "translation"]
    assert az.load(name)(words) == ["AH T EH N SH AH N", "Z UW", "T R AE N Z L EY SH AH N"]


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
