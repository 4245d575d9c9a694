"""Write the dates data set: Chinese dates, as people write them, and one English answer each.

    python recipes/dates/make_data.py [--out DIR] [--seed N]

Where CLDR has a form, Babel writes it; the other ways in which people write dates are our own
code. Every calendar date occurs on one line only, so no date can be in two splits.
"""

import argparse
import os
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

from babel.dates import format_date, format_skeleton, get_day_names

# The CLDR release from which the shipped files were made: another may spell a form differently.
CLDR_VERSION = "47"
FIRST_YEAR, LAST_YEAR = 1900, 2099
SIZES = {"train": 12_000, "valid": 500, "test": 1_000}
HEADER = "zh\ten\n"

SUNDAY = 6  # as in date.weekday()
DIGITS = "〇一二三四五六七八九"
FULL_WIDTH = {code: code + 0xFEE0 for code in map(ord, "0123456789/")}


# --- What CLDR does not have: numerals, padding, spacing, spoken forms -------------------------


def chinese_number(number: int) -> str:
    """Write 1 to 99 as one says it: 3 is 三, 10 is 十, 21 is 二十一."""
    tens, ones = divmod(number, 10)
    leading = DIGITS[tens] if tens > 1 else ""
    return leading + ("十" if tens else "") + (DIGITS[ones] if ones else "")


def chinese_numerals(day: date, zero: str = "〇", unit: str = "日") -> str:
    """Write the year digit by digit and month and day as numbers, as in 二〇二一年十一月十三日."""
    year = "".join(DIGITS[int(digit)] for digit in str(day.year)).replace("〇", zero)
    return f"{year}年{chinese_number(day.month)}月{chinese_number(day.day)}{unit}"


def full_width(text: str) -> str:
    """Replace ASCII digits and slashes by the full-width ones an input method produces."""
    return text.translate(FULL_WIDTH)


def cldr(day: date, length: str) -> str:
    """Write a date with one of the four patterns CLDR has for Chinese."""
    return format_date(day, length, locale="zh")


def skeleton(day: date, fields: str, locale: str) -> str:
    """Write a date with the pattern CLDR has for these fields."""
    return format_skeleton(fields, day, locale=locale)


Form = Callable[[date], str]

# Forms of the date alone. `medium` stands beside `long` in CLDR, but for Chinese they are equal.
DATE_FORMS: dict[str, Form] = {
    "CLDR long, medium": lambda day: cldr(day, "long"),
    "CLDR short": lambda day: cldr(day, "short"),
    "slashes, padded": lambda day: f"{day:%Y/%m/%d}",
    "dashes (ISO 8601)": lambda day: f"{day:%Y-%m-%d}",
    "dashes, not padded": lambda day: f"{day.year}-{day.month}-{day.day}",
    "dots": lambda day: f"{day.year}.{day.month}.{day.day}",
    "dots, padded": lambda day: f"{day:%Y.%m.%d}",
    "padded": lambda day: f"{day:%Y}年{day:%m}月{day:%d}日",
    "spaces": lambda day: f"{day.year} 年 {day.month} 月 {day.day} 日",
    "spaces, padded": lambda day: f"{day:%Y} 年 {day:%m} 月 {day:%d} 日",
    "spoken 号": lambda day: f"{day.year}年{day.month}月{day.day}号",
    "full-width": lambda day: full_width(cldr(day, "long")),
    "full-width slashes": lambda day: full_width(cldr(day, "short")),
    "numerals with 〇": chinese_numerals,
    "numerals with 零": lambda day: chinese_numerals(day, zero="零"),
    "numerals with 〇 and 号": lambda day: chinese_numerals(day, unit="号"),
    "numerals with 零 and 号": lambda day: chinese_numerals(day, zero="零", unit="号"),
}

# Forms for which CLDR itself says where the weekday goes, and with which spaces and brackets.
CLDR_WEEKDAY_FORMS: dict[str, Form] = {
    "CLDR full": lambda day: cldr(day, "full"),
    "CLDR yMMMEd": lambda day: skeleton(day, "yMMMEd", "zh"),
    "CLDR yMEd": lambda day: skeleton(day, "yMEd", "zh"),
    "CLDR zh_Hant yMEEEEd": lambda day: skeleton(day, "yMEEEEd", "zh_Hant"),
    "CLDR zh_Hant yMMMEd": lambda day: skeleton(day, "yMMMEd", "zh_Hant"),
    "CLDR zh_Hant yMEd": lambda day: skeleton(day, "yMEd", "zh_Hant"),
}

# Names of the weekday: 星期六 and 周六 are CLDR's, 礼拜六 and the Sunday with 天 are our own.
WEEKDAYS: dict[str, Form] = {
    "星期": lambda day: get_day_names("wide", locale="zh")[day.weekday()],
    "周": lambda day: get_day_names("abbreviated", locale="zh")[day.weekday()],
    "礼拜": lambda day: WEEKDAYS["星期"](day).replace("星期", "礼拜"),
    "星期, Sunday 天": lambda day: spoken_sunday(WEEKDAYS["星期"](day), day),
    "礼拜, Sunday 天": lambda day: spoken_sunday(WEEKDAYS["礼拜"](day), day),
}

# Where the weekday stands beside any of DATE_FORMS.
PLACES = {
    "after": "{date}{weekday}",
    "after a space": "{date} {weekday}",
    "in brackets": "{date}({weekday})",
    "in full-width brackets": "{date}（{weekday}）",
    "before": "{weekday} {date}",
}


def spoken_sunday(weekday: str, day: date) -> str:
    """Write Sunday as 星期天, which is what most people say, rather than 星期日."""
    return weekday.replace("日", "天") if day.weekday() == SUNDAY else weekday


# --- Lines ------------------------------------------------------------------------------------


def english(day: date, with_weekday: bool) -> str:
    """Return the one right answer; it names the weekday exactly if the Chinese does."""
    return format_date(day, "full" if with_weekday else "long", locale="en")


def make_pair(day: date, rng: random.Random) -> tuple[str, str]:
    """Write a date in a form drawn at random; somewhat more than half name the weekday."""
    draw = rng.random()
    if draw < 0.45:
        return pick(DATE_FORMS, rng)(day), english(day, with_weekday=False)
    if draw < 0.60:
        return pick(CLDR_WEEKDAY_FORMS, rng)(day), english(day, with_weekday=True)
    weekday = pick(WEEKDAYS, rng)(day)
    chinese = pick(PLACES, rng).format(date=pick(DATE_FORMS, rng)(day), weekday=weekday)
    return chinese, english(day, with_weekday=True)


def pick(choices: dict, rng: random.Random):
    """Draw one of the values of a dictionary."""
    return rng.choice(list(choices.values()))


def make_splits(seed: int) -> dict[str, list[tuple[str, str]]]:
    """Draw as many different dates as there are lines and deal them out to the splits."""
    rng = random.Random(seed)
    first, last = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
    days = rng.sample(range(first.toordinal(), last.toordinal() + 1), sum(SIZES.values()))
    pairs = iter([make_pair(date.fromordinal(day), rng) for day in days])
    return {split: [next(pairs) for _ in range(size)] for split, size in SIZES.items()}


def write_tsv(path: Path, pairs: list[tuple[str, str]]) -> None:
    """Write a split under a temporary name first, so that nobody reads half a file."""
    temporary = path.with_name(path.name + ".tmp")
    lines = [f"{chinese}\t{answer}\n" for chinese, answer in pairs]
    temporary.write_text(HEADER + "".join(lines), encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def main(arguments: list[str] | None = None) -> None:
    """Write data/train.tsv, data/valid.tsv and data/test.tsv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here, help="folder in which data/ is made")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    folder = options.out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for split, pairs in make_splits(options.seed).items():
        write_tsv(folder / f"{split}.tsv", pairs)


if __name__ == "__main__":
    main()
