# make demo   set up .venv, rate real images with CellProfiler, print the result
# make test   set up .venv, run all tests
# make lint   check style and format
# make lock   resolve requirements/stable.txt again
# make clean  remove everything that these commands made

export TF_CPP_MIN_LOG_LEVEL := 2
VENV := .venv/.complete
UV = $(or $(shell command -v uv),.uv/bin/uv)

.PHONY: demo test lint lock clean

demo: $(VENV)
	.venv/bin/python example_pipelines/demo.py

test: $(VENV)
	.venv/bin/python -m pytest

lint: $(VENV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

$(VENV): $(wildcard requirements/*.txt) requirements/setup_venv.sh setup.py
	requirements/setup_venv.sh
	@touch $@

lock: $(VENV)
	$(UV) pip compile requirements/stable.in setup.py \
		--extra cellprofiler --extra cpu --extra train --extra test \
		--override requirements/overrides.txt \
		--build-constraint requirements/build-constraints.txt \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--python .venv/bin/python --quiet -o requirements/stable.txt

clean:
	rm -rf .venv .uv demo build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
