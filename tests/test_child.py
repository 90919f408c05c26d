"""Helper processes: an answer belongs to its question, whoever asks and however late it comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_engine.child import ChildProcess
from runlog.errors import EnvironmentFault

# a child that says back what it is told, after as many seconds as it is told
MODULE = "echoing_child"
SOURCE = """
import asyncio
from reference_engine.child import configuration_from_parent, serve_commands, tell

async def echo(command):
    await asyncio.sleep(command.get("wait_s", 0))
    return command

tell({"ready": configuration_from_parent()["name"]})
asyncio.run(serve_commands(echo))
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChildProcess]:
    (tmp_path / f"{MODULE}.py").write_text(SOURCE, "utf-8")
    monkeypatch.chdir(tmp_path)  # `python -m` finds it there
    child = ChildProcess(MODULE, {"name": "x"}, tmp_path / "log" / "child.err")
    assert child.start() == {"ready": "x"}
    yield child
    child.stop()


def test_answer_that_comes_too_late_is_not_taken_for_the_next(child: ChildProcess) -> None:
    with pytest.raises(EnvironmentFault, match=r"did not answer in 0\.05 s"):
        child.ask(0.05, number=1, wait_s=0.4)
    assert child.ask(number=2) == {"number": 2}


def test_threads_that_ask_at_once_get_their_own_answers(child: ChildProcess) -> None:
    wrong: list[Any] = []

    def ask(number: int) -> None:
        wrong.extend(n for n in range(50) if child.ask(of=number, n=n) != {"of": number, "n": n})

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_child_that_died_is_told_with_its_last_words(child: ChildProcess) -> None:
    child.log.write_text("one\nlast words\n", "utf-8")
    child.kill()
    with pytest.raises(EnvironmentFault, match=r"echoing_child is not running · last words · run"):
        child.ask(number=1)


def test_child_that_cannot_start_leaves_no_process(tmp_path: Path) -> None:
    child = ChildProcess("no_such_module_here", {}, tmp_path / "child.err")
    with pytest.raises(EnvironmentFault, match="No module named no_such_module_here"):
        child.start()
    assert not child.started
