"""The errors a user of Wallet Outage Lab can meet, each with its exit code.

Every message is one line: what happened, the value, what to do.
"""

from __future__ import annotations


class LabError(Exception):
    """An expected failure, told in one line and ended with `exit_code`.

    >>> print(BadData("negative amount", "-5", "give whole yen above zero"))
    negative amount · -5 · give whole yen above zero
    """

    exit_code = 1

    def __init__(self, what: str, value: object = "", todo: str = "") -> None:
        self.what = what
        self.value = str(value)
        self.todo = todo
        super().__init__(" · ".join(" ".join(p.split()) for p in (what, self.value, todo) if p))


class BadData(LabError):
    """Input that is there but wrong (exit code 1)."""

    exit_code = 1


class UsageFault(LabError):
    """A command that asks for something that does not exist (exit code 2)."""

    exit_code = 2


class EnvironmentFault(LabError):
    """No server, no space, no permission: the input may be right (exit code 3)."""

    exit_code = 3


def did_you_mean(name: str, known: list[str]) -> str:
    """Advice for a mistyped name: the nearest known ones, or all of them.

    >>> did_you_mean("helthy", ["healthy", "hot_row"])
    "did you mean 'healthy'?"
    """
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(sorted(known))
