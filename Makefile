# make book: the HTML book.  make test: everything that must hold.  make store: execute the chapters and keep their outputs.
PYTHON ?= python3
VENV = .venv
RUN = $(VENV)/bin/python

.PHONY: book test store benchmark clean

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check -r requirements.txt
	$(RUN) -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

book: $(VENV)/installed
	$(RUN) -m tools.build

test: $(VENV)/installed
	$(RUN) -m tools.check

store: $(VENV)/installed
	$(RUN) -m tools.store book/*.ipynb

benchmark: $(VENV)/installed
	$(RUN) benchmarks/flow_against_descent.py
	$(RUN) benchmarks/replicas_against_authors.py

clean:
	rm -rf $(VENV) _build
