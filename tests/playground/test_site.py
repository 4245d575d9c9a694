"""The page, with LiteRT.js in Chromium, answers as Python does."""

import random
import shutil

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import attention_zoo as az
from attention_zoo.errors import UserError
from attention_zoo.playground.site import write_playground

_ANSWER = """
const [rows, done] = arguments;
(async () => {
  const found = [];
  for (const row of rows) found.push(await playground.answer(...row));
  return found;
})().then(done, error => done(String(error.stack)));
"""
_STREAM = """
const [texts, done] = arguments;
(async () => {
  const found = [];
  for (const text of texts) {
    const steps = [];
    for await (const step of playground.tokens(text)) steps.push(step);
    found.push(steps);
  }
  return found;
})().then(done, error => done(String(error.stack)));
"""


def opened(browser, address):
    """Opens a page and waits until it answered its first text."""
    browser.get_log("browser")
    browser.get(address)
    WebDriverWait(browser, 60).until(lambda b: b.execute_script("return !!window.playground"))


def errors(browser):
    """What the console reports as errors; LiteRT logs everything there."""
    entries = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    return [e["message"] for e in entries if "litert_wasm" not in e["message"]]


def asked(browser, script, rows):
    found = browser.execute_async_script(script, rows)
    assert isinstance(found, list), found
    return found


@pytest.fixture(scope="module")
def words():
    """Words and letters at random, and what else may be typed."""
    draw = random.Random(6)
    known = ["through", "attention", "zoo", "transformer", "encoder", "it's", "queue", "rhythm"]
    made = ["".join(draw.choices("etaoinshrdlucmfwyp'", k=draw.randint(1, 14))) for _ in range(185)]
    return [*known, *made, "", "  ", "\u3000", "naïve", "A", "x" * 100, "two words"][:200]


def test_spelling(browser, site, spelling, spelling_export, words):
    """200 answers of a trained recurrent model, in one call and token by token."""
    opened(browser, site(spelling, export=spelling_export))
    assert len(words) == 200
    answers = spelling.predict(words)
    found = asked(browser, _ANSWER, [[word] for word in words])
    assert [a["text"] for a in found] == [a.text for a in answers]
    for ours, theirs in zip(found, answers, strict=True):
        assert ours.get("score", 0.0) == pytest.approx(theirs.score, abs=1e-3)
    texts = [word for word in words if word.strip()][:60]
    streams = asked(browser, _STREAM, texts)
    assert [
        " ".join(s["piece"] for s in steps if s["piece"] not in ("", "</s>")) for steps in streams
    ] == [spelling([text])[0] for text in texts]
    for text, steps in list(zip(texts, streams, strict=True))[:20]:
        weights = az.explain(spelling, text).view("cross").weights[0, 0]
        for step, row in zip(steps, weights, strict=True):
            assert step["attention"] == pytest.approx(row.tolist(), abs=1e-4)
    assert errors(browser) == []


def test_beams_and_unknown_characters(browser, site, copying):
    opened(browser, site(copying))
    draw = random.Random(7)
    texts = ["".join(draw.choices("abc二😀x龙", k=draw.randint(1, 14))) for _ in range(60)]
    found = asked(browser, _ANSWER, [[text] for text in texts])
    assert [answer["text"] for answer in found] == copying(texts)
    assert any("x" in answer["text"] or "龙" in answer["text"] for answer in found)
    assert errors(browser) == []


def test_subwords(browser, site, subwords):
    opened(browser, site(subwords))
    texts = [
        "the cat sat",
        "二只狗",
        "  a  dog。 ",
        "zebra",
        "ＣＡＴ",
        "mat " * 20,
        "\u3000",
        "e\u0301",
    ]
    found = asked(browser, _ANSWER, [[text] for text in texts])
    assert [answer["text"] for answer in found] == subwords(texts)
    assert len({answer["text"] for answer in found}) > 3
    box, answer = (browser.find_element(By.ID, name) for name in ("text", "answer"))
    box.clear()
    box.send_keys(texts[0])
    expected = " ".join(found[0]["text"].split())
    WebDriverWait(browser, 20).until(lambda b: answer.text == expected)
    assert errors(browser) == []


def test_labels(browser, site, labelling):
    opened(browser, site(labelling, ["litert_static"]))
    assert browser.find_element(By.ID, "pair").is_displayed()
    texts = [("a cat", "a dog"), ("你好", "Élan vital"), ("x " * 60, "y"), ("", "")] * 10
    found = asked(browser, _ANSWER, [list(pair) for pair in texts])
    for ours, theirs in zip(found, labelling.predict(texts), strict=True):
        assert ours["text"] == theirs.text
        assert ours["scores"] == pytest.approx(theirs.record["scores"], abs=1e-4)
    assert errors(browser) == []


def test_typing(browser, site, spelling, spelling_export):
    opened(browser, site(spelling, export=spelling_export))
    box = browser.find_element(By.ID, "text")
    box.clear()
    box.send_keys("queue")
    [expected] = spelling(["queue"])
    answer = browser.find_element(By.ID, "answer")
    cells = "#alignment rect"
    WebDriverWait(browser, 20).until(
        lambda b: (
            answer.text == expected
            and len(b.find_elements(By.CSS_SELECTOR, cells)) == (len(expected.split()) + 1) * 6
        )
    )
    assert errors(browser) == []


@pytest.mark.parametrize("file", ["static.tflite", "stream.tflite"])
def test_damaged_files(file, spelling_export, tmp_path):
    export = tmp_path / "export"
    shutil.copytree(spelling_export, export)
    with open(export / file, "ab") as damaged:
        damaged.write(b"more")
    with pytest.raises(UserError, match=f"{file} is damaged: its SHA-256 is not the one"):
        write_playground(export, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_what_has_no_page(tmp_path):
    with pytest.raises(UserError, match="is not an export"):
        write_playground(tmp_path, tmp_path / "site")
    az.export(az.load("g2p_rnn"), tmp_path / "other", ["litert"], examples=[("a", "AH")])
    with pytest.raises(UserError, match="--formats litert_static,litert_stream"):
        write_playground(tmp_path / "other", tmp_path / "site")
