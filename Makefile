# make book: the HTML book.  make test: everything that must hold.  make times: the same, and the run times go into book/checked.json.
# make store: execute the chapters and keep their outputs.  make chapter NAME=61_title TITLE="Title": a new chapter.
PYTHON ?= python3
VENV = .venv
RUN = $(VENV)/bin/python

.PHONY: book test times store chapter benchmark clean

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check -r requirements.txt
	$(RUN) -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

book: $(VENV)/installed
	$(RUN) -m tools.build

test: $(VENV)/installed
	$(RUN) -m tools.check

times: $(VENV)/installed
	$(RUN) -m tools.check --record

chapter: $(VENV)/installed
	$(RUN) -m tools.chapter $(NAME) "$(TITLE)"

store: $(VENV)/installed
	$(RUN) -m tools.store book/*.ipynb

benchmark: $(VENV)/installed
	$(RUN) benchmarks/flow_against_descent.py
	$(RUN) benchmarks/replicas_against_authors.py
	$(RUN) benchmarks/how_far.py

clean:
	rm -rf $(VENV) _build
