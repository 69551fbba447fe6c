"""What a flow tries again: a publisher out of reach, nothing that stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.states import Failed

from data.errors import BadInput, ContractBroken, NoAddress, RegsiError, SourceOutOfReach
from pipelines.flows import _transient

NOBODY: Any = None  # neither the task nor its run is looked at


@pytest.mark.parametrize(
    ("fault", "again"),
    [(SourceOutOfReach, True), (NoAddress, False), (BadInput, False), (ContractBroken, False)],
)
def test_only_a_publisher_out_of_reach_is_asked_again(fault: type[RegsiError], again: bool) -> None:
    state: Any = Failed(data=fault("dataset x", "does not come", "wait"))
    assert _transient(NOBODY, NOBODY, state) is again
