"""The demo, end to end on the embedded dataset: train, export, verify, answer, draw."""

import sys
import time
from importlib import resources

from attention_zoo.export.artefact import load_artefact
from attention_zoo.exporting import export_run, print_report
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe
from attention_zoo.viewer.explanation import explain

# Written by hand, in formats that occur in the data.
_QUESTIONS = ("2026年11月22日星期日", "二〇〇八年八月八日", "1999-12-31", "2024 年 2 月 29 日")


def run_demo(out, say):
    """Runs the demo.

    Args:
        out: the run directory to write.
        say: called with each line of output.
    """
    started = time.monotonic()
    recipe_folder = resources.files("attention_zoo.recipes.dates")
    say("1. Training a small Transformer to read Chinese dates (recipes/dates)")
    task, _ = train_recipe(load_recipe(str(recipe_folder / "recipe.yaml")), out)
    say("\n2. Exporting, and running every artefact in its own runtime")
    report = export_run(out, out / "export", progress=say)
    print_report(report)
    say("   as clients run them:")
    for artefact in report["artefacts"]:
        say(f"      {artefact['file']}: {', '.join(artefact['clients'])}")
    say("\n3. Answers of the exported files")
    for name in ("saved_model/1", "model.tflite", "model.dynamic_int8.tflite"):
        say(f"   {name}")
        artefact = load_artefact(out / "export" / name)
        for question, answer in zip(_QUESTIONS, artefact(list(_QUESTIONS)), strict=True):
            say(f"      {question}  ->  {answer}")
    picture = out / "attention.png"
    question = _QUESTIONS[0]
    font = recipe_folder / "DroidSansFallback-dates.ttf"
    explained = explain(task, question)
    explained.save(picture, font)
    explained.save(out / "attention.html")
    say(f"\n4. Attention of the decoder: {picture}; of every head: {out / 'attention.html'}")
    say(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes. Next you could try:\n")
    command = sys.argv[0]  # as it was called, possibly from a .venv that is not active
    say(f"   echo '二〇二六年一月一日' | {command} predict {out / 'export' / 'model.tflite'}")
    say(f"   {command} verify {out / 'export'}")
    say(f"   {command} train recipes/zh_en/recipe.yaml --out runs/zh_en")
