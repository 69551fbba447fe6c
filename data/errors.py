"""What can go wrong, as the user reads it: `error: WHERE: WHAT; WHAT TO DO`."""

from __future__ import annotations


class RegsiError(Exception):
    """One clear message: the place, the fault, the way out. `exit_code` is the command's."""

    exit_code = 1

    def __init__(self, where: str, what: str, todo: str) -> None:
        super().__init__(where, what, todo)
        self.where, self.what, self.todo = where, what, todo

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.todo}"


class BadInput(RegsiError):
    """Arguments, a study file or a data file that cannot be used as it stands."""

    exit_code = 2


class ContractBroken(RegsiError):
    """Data that could be read, but breaks a promise its dataset makes."""

    exit_code = 3


class SourceOutOfReach(RegsiError):
    """A publisher that did not deliver: offline, refusing, or sending something else."""

    exit_code = 4


class NoAddress(SourceOutOfReach):
    """A publisher who offers nothing to fetch from: trying again would change nothing."""


class VerificationFailed(RegsiError):
    """A published number that does not come out again."""

    exit_code = 5
