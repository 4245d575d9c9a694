"""The shipped dates are what the script writes, and what their README says they are."""

import importlib.util
import re
from datetime import date, datetime
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "recipes" / "dates"
SPLITS = {"train": 12_000, "valid": 500, "test": 1_000}
ENGLISH = {False: "%B %d, %Y", True: "%A, %B %d, %Y"}
CHINESE_WEEKDAY = re.compile("(?:星期|礼拜|周|週)(.)")


@pytest.fixture(scope="module")
def make_data():
    pytest.importorskip("babel")
    spec = importlib.util.spec_from_file_location("dates_make_data", FOLDER / "make_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def same_cldr(make_data):
    from babel.core import get_global

    if get_global("cldr").get("version") != make_data.CLDR_VERSION:
        pytest.skip("Babel has another CLDR than the shipped files were made from")


def read(split, folder=FOLDER):
    lines = (folder / "data" / f"{split}.tsv").read_bytes().decode("utf-8").split("\n")
    assert lines[0] == "zh\ten"
    assert lines[-1] == ""
    return [line.split("\t") for line in lines[1:-1]]


def all_pairs():
    return [pair for split in SPLITS for pair in read(split)]


def day_of(english):
    return datetime.strptime(english, ENGLISH["day, " in english]).date()


@pytest.mark.usefixtures("same_cldr")
def test_the_script_writes_the_shipped_files(make_data, tmp_path):
    make_data.main(["--out", str(tmp_path)])
    for split in SPLITS:
        name = f"data/{split}.tsv"
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
    assert len(list((tmp_path / "data").iterdir())) == len(SPLITS)


def test_another_cldr_or_seed_gives_the_same_structure(make_data, tmp_path):
    make_data.main(["--out", str(tmp_path), "--seed", "2"])
    for split, size in SPLITS.items():
        pairs = read(split, tmp_path)
        assert len(pairs) == size
        assert pairs != read(split)
        assert all(len(pair) == 2 and all(pair) for pair in pairs)


@pytest.mark.parametrize("split", SPLITS)
def test_every_line_has_two_columns_with_text(split):
    pairs = read(split)
    assert len(pairs) == SPLITS[split]
    assert all(len(pair) == 2 and all(column.strip() for column in pair) for pair in pairs)


def test_no_date_is_on_two_lines_and_so_none_in_two_splits():
    days = [day_of(english) for _, english in all_pairs()]
    assert len(set(days)) == len(days) == sum(SPLITS.values())
    assert min(days) >= date(1900, 1, 1)
    assert max(days) <= date(2099, 12, 31)


def test_the_answer_is_written_in_the_one_canonical_form():
    for _, english in all_pairs():
        day = day_of(english)
        expected = f"{day:%B} {day.day}, {day.year}"
        assert english.removeprefix(f"{day:%A}, ") == expected


def test_weekdays_are_right_in_both_languages():
    for chinese, english in all_pairs():
        weekday = CHINESE_WEEKDAY.search(chinese)
        assert ("day, " in english) == (weekday is not None), chinese
        if weekday:
            expected = "一二三四五六日"[day_of(english).weekday()]
            assert weekday[1].replace("天", "日") == expected, chinese


def test_chinese_and_english_name_the_same_date():
    for chinese, english in all_pairs():
        day = day_of(english)
        assert date_in(chinese) == (day.year, day.month, day.day), chinese


def date_in(chinese):
    """Read a Chinese date without the script's help: digits of any script, or numerals."""
    text = re.sub(r"[(（]?(?:星期|礼拜|周|週).[)）]?", "", chinese)
    if re.search(r"\d", text):
        return tuple(int(number) for number in re.findall(r"\d+", text))
    year, month, day = re.fullmatch("(.{4})年(.+)月(.+)[日号]", text.strip()).groups()
    digits = "".join(str("〇一二三四五六七八九".index(c.replace("零", "〇"))) for c in year)
    return int(digits), numeral(month), numeral(day)


def numeral(text):
    tens, ten, ones = text.rpartition("十")
    value = " 一二三四五六七八九"
    return (value.index(tens or "一") * 10 if ten else 0) + (value.index(ones) if ones else 0)


@pytest.mark.usefixtures("same_cldr")
def test_the_examples_of_the_readme_are_what_the_script_writes(make_data):
    rows = re.findall(r"^\| (.+?) \| `(.+)` \|$", (FOLDER / "README.md").read_text("utf-8"), re.M)
    sunday = date(2021, 1, 3)
    forms = make_data.DATE_FORMS | make_data.CLDR_WEEKDAY_FORMS | make_data.WEEKDAYS
    expected = [(name, form(sunday)) for name, form in forms.items()]
    words = {"date": "2021年1月3日", "weekday": "周日"}
    expected += [(name, place.format(**words)) for name, place in make_data.PLACES.items()]
    assert rows == expected


@pytest.mark.parametrize(
    ("number", "numeral"),
    [(1, "一"), (9, "九"), (10, "十"), (11, "十一"), (20, "二十"), (31, "三十一")],
)
def test_numerals(make_data, number, numeral):
    assert make_data.chinese_number(number) == numeral


def test_the_font_has_every_character():
    ttlib = pytest.importorskip("fontTools.ttLib")
    with ttlib.TTFont(FOLDER / "DroidSansFallback-dates.ttf") as font:
        covered = set(font.getBestCmap())
    needed = {ord(character) for pair in all_pairs() for text in pair for character in text}
    assert needed | set(range(0x20, 0x7F)) <= covered
