"""Let Colab open a fork's own notebooks: ``python -m tools.publish`` on a version's tag, in the workflow that publishes.

Where the tag has another address than the repository that it is in, a commit with the right one goes to a branch beside the tag
(``v0.1.0-here``), which pages are then built from.  Prints the tag or the branch.
"""

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

from tools import address
from tools.build import ROOT


def git(root: Path, *arguments: str, **variables: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | variables).stdout.strip()


def publish(root: Path, repository: str, tag: str, token: str = "") -> str:
    """The tag or branch that pages are to be built from; the end in one line if the tag is not the version's."""
    if tag != f"v{address.version(root)}":
        sys.exit(f"the tag {tag} is not that of version {address.version(root)}")
    if not address.wrong(root, repository):
        return tag
    branch = f"{tag}-here"
    address.put(root, address.new(root, address.normal(repository), opens=branch))
    if problem := address.wrong(root, repository):
        sys.exit(problem)
    git(root, "-c", "user.name=pages", "-c", "user.email=pages@example.org", "commit", "-qam", "Say where this copy lives")
    secret = b64encode(f"x-access-token:{token}".encode()).decode()  # in the environment, since any process can read a command
    asked = dict(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="http.extraHeader", GIT_CONFIG_VALUE_0=f"Authorization: Basic {secret}")
    git(root, "push", "-qf", repository, f"HEAD:refs/heads/{branch}", **(asked if token else {}))
    return branch


if __name__ == "__main__":
    here = os.environ
    repository = f"{here['GITHUB_SERVER_URL']}/{here['GITHUB_REPOSITORY']}"
    print(publish(ROOT, repository, here["GITHUB_REF_NAME"], here.get("TOKEN", "")))
