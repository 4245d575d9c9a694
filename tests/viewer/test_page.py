"""The page in a real browser."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

import attention_zoo as az
from attention_zoo.viewer import page


def opened(browser, found, path):
    """Opens the page of an explanation and waits until it is drawn."""
    found.save(path)
    browser.get_log("browser")
    browser.get(path.as_uri())
    assert browser.execute_async_script(
        "const done = arguments[0]; const wait = () => "
        "document.querySelector('#map canvas') ? done(true) : setTimeout(wait, 20); wait()"
    )


def pixels(browser, selector):
    """The content of a canvas, as a string."""
    return browser.execute_script(
        "return document.querySelector(arguments[0]).toDataURL()", selector
    )


@pytest.mark.parametrize("family", ["transformer", "recurrent", "encoder"])
def test_every_view_of_every_family(browser, family, request, tmp_path):
    task = request.getfixturevalue(family)
    found = az.explain(task, ("a bc", "b") if family == "encoder" else "abc <b>")
    opened(browser, found, tmp_path / "page.html")
    for name, view in found.views.items():
        browser.execute_script("state.view = arguments[0]; draw()", name)
        blocks, heads = view.weights.shape[:2]
        extra = (heads > 1) + view.is_self_attention
        buttons = browser.find_elements(By.CSS_SELECTOR, "#grid button")
        assert len(buttons) == blocks * (heads + extra)
        # What is drawn is what the model computed.
        browser.execute_script("choose(0, 0)")
        shown = browser.execute_script("return [...current.values]")
        assert_allclose(shown, view.weights[0, 0].ravel(), atol=1e-7)
    assert browser.get_log("browser") == []


def test_clicking_a_head_changes_the_picture(browser, transformer, tmp_path):
    opened(browser, az.explain(transformer, "abc ab"), tmp_path / "page.html")
    before = pixels(browser, "#map canvas")
    button = browser.find_element(By.CSS_SELECTOR, '#grid [data-block="0"][data-head="2"]')
    button.click()
    assert pixels(browser, "#map canvas") != before
    assert button.get_attribute("aria-pressed") == "true"
    assert "block 1, head 3" in browser.find_element(By.ID, "chosen").text


def test_pointing_highlights(browser, transformer, tmp_path):
    found = az.explain(transformer, "abc ab", "cb")
    opened(browser, found, tmp_path / "page.html")
    browser.execute_script("choose(1, 0)")
    canvas = browser.find_element(By.CSS_SELECTOR, "#map canvas")
    lines = pixels(browser, "#lines canvas")
    # From the middle of the canvas: the cell at its upper left.
    size = canvas.size["width"] / 7
    x, y = -canvas.size["width"] / 2 + size / 2, -canvas.size["height"] / 2 + size / 2
    ActionChains(browser).move_to_element_with_offset(canvas, int(x), int(y)).perform()
    labels = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "svg text.on")]
    assert sorted(labels) == ["a", "a", "c", "c"]  # in both drawings
    readout = browser.find_element(By.ID, "readout").text
    assert readout == f"c → a: {found.view('cross').weights[1, 0, 0, 0]:.4f}"
    assert pixels(browser, "#lines canvas") != lines


def test_hiding_and_merging(browser, encoder, tmp_path):
    found = az.explain(encoder, ("a bc", "b"))
    opened(browser, found, tmp_path / "page.html")
    browser.execute_script("choose(0, 1)")
    browser.find_element(By.ID, "hide").click()
    browser.find_element(By.ID, "merge").click()
    labels = browser.execute_script("return current.rows.map(row => row.label)")
    assert labels == ["a", "bc", "b"]
    shown = np.array(browser.execute_script("return [...current.values]")).reshape(3, 3)
    weights = found.view().weights[0, 1]
    expected = weights[[2, 3], 1].mean()  # "bc" to "a"
    assert shown[1, 0] == pytest.approx(expected, abs=1e-6)
    assert shown[0, 1] == pytest.approx(weights[1, [2, 3]].sum(), abs=1e-6)  # "a" to "bc"


def test_keys_and_hypotheses(browser, transformer, tmp_path):
    found = az.explain(transformer, "ab", beam_size=2, n_best=2)
    opened(browser, found, tmp_path / "page.html")
    body = browser.find_element(By.TAG_NAME, "body")
    browser.execute_script("choose(0, 0)")
    body.send_keys("\ue015", "\ue014")  # down, right
    assert browser.execute_script("return [state.block, state.head]") == [1, 1]
    dark = browser.execute_script("return isDark()")
    body.send_keys("d")
    assert browser.execute_script("return isDark()") is not dark
    body.send_keys("v")
    assert browser.execute_script("return state.view") == "encoder"
    browser.execute_script("element('hypothesis').value = 1; element('hypothesis').onchange("
                           "{target: element('hypothesis')}); state.view = 'cross'; draw();"
                           "choose(1, 2)")  # fmt: skip
    shown = browser.execute_script("return [...current.values]")
    assert_allclose(shown, found.view("cross", 2).weights[1, 2].ravel(), atol=1e-7)


def test_rounded_weights_are_read_as_python_reads_them(browser, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "_MOST_BYTES", 2000)
    opened(browser, az.explain(encoder, ("a bc " * 12, "b")), tmp_path / "page.html")
    data = page.read_page(tmp_path / "page.html")
    assert 0 < data["levels"] < 256
    shown = browser.execute_script("return [...arrays[0]]")
    assert_allclose(shown, data["arrays"][0].ravel(), atol=1e-6)
