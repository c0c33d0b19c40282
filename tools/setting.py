"""The one setting in which chapters are stored and checked."""


def ci(environment) -> None:
    """Put the ``ci`` preset on the CPU into environment variables, and take out what would change a page's numbers."""
    environment.update(DIFFNOTES_PRESET="ci", DIFFNOTES_DEVICE="cpu", TQDM_DISABLE="1")
    for name in ("DIFFNOTES_FIRST_SEED", "DIFFNOTES_DTYPE"):
        environment.pop(name, None)
