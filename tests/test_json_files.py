"""JSON that is read strictly, and written so that every reader takes it."""

import pytest

from attention_zoo.errors import UserError
from attention_zoo.json_files import json_text, parse_json, read_json


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"a": NaN}', b'{"a": Infinity}', b'"\xff"', b'"\\ud800"', b"[" * 10**5, b"1 2"],
)
def test_what_is_no_json(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is damaged, or not JSON"):
        parse_json(tmp_path / "a.json")


def test_json_without_an_object(tmp_path):
    for content in ("[]", "null", "5", '"' + "x" * 1000 + '"'):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(UserError, match=r"a JSON object is needed, received .{,210}$"):
            read_json(tmp_path / "a.json")


def test_numbers_that_json_has_not_become_null():
    nan, inf = float("nan"), float("inf")
    assert json_text({"a": [nan, 1.5, (inf,)], "b": {"c": -inf}}) == (
        '{"a": [null, 1.5, [null]], "b": {"c": null}}'
    )
    assert json_text({"a": "é"}, ensure_ascii=False) == '{"a": "é"}'
