"""What a brief speaks about: the headline model, its treatment and outcome, and their words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.engine.results import Curve
from models.results import ModelResult, Term
from models.study.results import StudyResults
from models.verdicts import Verdict, headline, judge, read_claim
from reports.briefs.estimate import PlainEstimate, plain_estimate
from reports.numbers import result_id
from reports.variables import Measure, Variables, closed, in_sentence, index_word, plural

EVENT_STUDIES = frozenset({"event-study", "group-time", "did2s"})


@dataclass(frozen=True)
class Subject:
    """A fitted study with its headline taken apart."""

    results: StudyResults
    run_id: str
    variables: Variables
    model: ModelResult
    term: Term
    treatment: Measure
    outcome: Measure
    estimate: PlainEstimate
    verdicts: tuple[Verdict, ...]
    curve: Curve | None

    @classmethod
    def of(cls, results: StudyResults, run_id: str, curve: Curve | None = None) -> Subject:
        """The subject of a brief. Raises BadInput for a claim that does not exist."""
        variables, (model, term) = Variables.of(results), headline(results)
        treatment, outcome = variables.measure(term.term), variables.measure(model.outcome)
        result = result_id(results.study.id, model.id, term.term)
        return cls(
            results=results,
            run_id=run_id,
            variables=variables,
            model=model,
            term=term,
            treatment=treatment,
            outcome=outcome,
            estimate=plain_estimate(term, treatment, outcome, result),
            verdicts=tuple(judge(read_claim(c), results, curve) for c in results.study.claims),
            curve=curve,
        )

    @property
    def of_event(self) -> bool:
        """True where the answer is about what followed an adoption, not about a variable."""
        return self.model.estimator in EVENT_STUDIES

    @property
    def of_trend(self) -> bool:
        """True where the treatment is time itself."""
        time = re.escape(self.results.panel.time)
        return re.fullmatch(rf"{time}( - \d+)?", self.treatment.expression) is not None

    @property
    def span(self) -> tuple[int, int]:
        """The outer periods of the sample; of the panel where the sample's are not known."""
        periods = {share.group for row in self.results.missingness for share in row.by_period}
        panel = self.results.panel
        return (min(periods), max(periods)) if periods else (panel.first, panel.last)

    @property
    def unit(self) -> str:
        """What a unit of the panel is called."""
        return index_word(self.results.panel.unit)

    @property
    def units(self) -> str:
        """Its plural."""
        return plural(self.unit)

    @property
    def treatment_name(self) -> str:
        """The treatment as it stands inside a sentence, without its transformation."""
        return in_sentence(self.treatment.label)

    @property
    def treatment_clause(self) -> str:
        """The same where the sentence goes on after it."""
        return closed(self.treatment_name)

    @property
    def outcome_name(self) -> str:
        """The outcome as it stands inside a sentence, without its transformation."""
        return in_sentence(self.outcome.label)

