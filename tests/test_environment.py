"""The lock and what is derived from it."""

from __future__ import annotations

import re
import runpy
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LOCK_TEXT = (ROOT / "requirements.lock").read_text("utf-8")
lock_tool = runpy.run_path(str(ROOT / "tools" / "lock.py"))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def test_environment_yml_is_derived_from_the_lock():
    text = (ROOT / "environment.yml").read_text("utf-8")
    assert text == lock_tool["environment_yml"](LOCK_TEXT), "run `make lock`"


def test_environment_yml_pins_every_locked_package_at_its_version():
    document = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    pip_section = next(d["pip"] for d in document["dependencies"] if isinstance(d, dict))
    # the two files are read by independent means: here by a plain search, there by the tool
    locked = re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK_TEXT)
    in_conda = set(re.findall(r"([A-Za-z0-9._-]+)==([^\s;]+)", "\n".join(pip_section)))
    assert len(locked) > 100
    assert set(locked) == in_conda


def test_every_direct_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {_normal(re.match(r"[A-Za-z0-9._\[\],-]+", w)[0]) for w in wanted}
    locked = {_normal(p.partition("==")[0]) for p in lock_tool["pins"](LOCK_TEXT)}
    assert names <= locked


def test_lock_has_hashes_and_no_addresses():
    pins = lock_tool["pins"](LOCK_TEXT)
    assert LOCK_TEXT.count("--hash=sha256:") >= len(pins)
    assert "://" not in LOCK_TEXT
    assert "--index-url" not in LOCK_TEXT
    assert "--find-links" not in LOCK_TEXT


def test_installed_versions_are_the_locked_ones():
    installed = {_normal(d.metadata["Name"]): d.version for d in distributions()}
    unconditional = [p for p in lock_tool["pins"](LOCK_TEXT) if ";" not in p]
    wrong = [
        p
        for p in unconditional
        if installed.get(_normal(p.partition("==")[0])) != p.partition("==")[2].strip()
    ]
    assert wrong == [], "run `make setup`"
