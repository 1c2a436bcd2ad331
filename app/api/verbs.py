"""The use cases, made for whoever asks, and what is told of each that has done its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi import Request, Response

from app import spans
from app.api.answers import server_timing
from app.api.at_work import AtWork
from app.api.metrics import Metrics
from app.api.previews import Previews
from app.journal import Journal
from app.usecases.accept_preview import AcceptPreview
from app.usecases.embed_ahead import EmbedAhead
from app.usecases.embeddings import Ahead
from app.usecases.note_provenance import NoteProvenance
from app.usecases.ports import Caller, Claim, ModelInfo, SlideGateway
from app.usecases.predict_roi import PredictRoi
from app.usecases.propose import Limits, Propose
from app.usecases.refine_annotation import Doubtful, RefineAnnotation
from app.usecases.refine_crop import RefineCrop
from app.usecases.refinement import Refinement
from app.usecases.segment_roi import SegmentRoi
from app.usecases.slide_records import SlideRecords


@dataclass(frozen=True, slots=True)
class Verbs:
    """The use cases, made for whoever asks."""

    gateway: Callable[[Caller | None], SlideGateway]
    """The platform as a caller sees it, or for None as the service account does."""
    at_work: AtWork
    """The model, for each request anew."""
    previews: Previews
    max_points: int
    background_term: int | None
    """Points of this term show what is not the object."""
    doubtful: Doubtful
    """What to do with a doubtful outline if a request does not say."""
    deadline_s: float
    metrics: Metrics
    propose_limits: Limits
    propose_deadline_s: float
    notes_provenance: bool = False
    """Whether the origin of an outline is noted on its annotation."""
    journal: Journal | None = None
    records: SlideRecords = field(default_factory=SlideRecords)

    @property
    def segment(self) -> SegmentRoi:
        """Segment with the model that works now."""
        return self.at_work.now.segment

    @property
    def crop(self) -> RefineCrop:
        """Refine crops with it."""
        return self.at_work.now.crop

    @property
    def ahead(self) -> Ahead:
        """Prepare for it."""
        return self.at_work.now.ahead

    @property
    def model(self) -> ModelInfo:
        """Which model works here."""
        return self.segment.segmenter.info

    def refine(self, request: Request, claim: Claim) -> RefineAnnotation:
        """Refine on behalf of the caller."""
        gateway = self.gateway(request.state.caller)
        return RefineAnnotation(gateway, self.segment, self.max_points, claim, self.background_term, self.records)

    def accept(self, request: Request, claim: Claim) -> AcceptPreview:
        """Write a preview on behalf of the caller."""
        return AcceptPreview(self.gateway(request.state.caller), self.model, claim)

    def record(self, request: Request, claim: Claim, refinement: Refinement) -> Refinement:
        """Note where an outline comes from, as far as the operator wants that."""
        if self.journal is not None:
            self.journal.write(refinement)
        if not self.notes_provenance:
            return refinement
        return NoteProvenance(self.gateway(request.state.caller), claim)(refinement)

    def predict(self, request: Request) -> PredictRoi:
        """Predict on behalf of the caller."""
        gateway, claim = self.gateway(request.state.caller), self.claim(request)
        return PredictRoi(gateway, self.segment, self.max_points, claim, self.background_term)

    def propose(self, request: Request) -> Propose:
        """Propose on behalf of the caller."""
        gateway = self.gateway(request.state.caller)
        claim = self.claim(request, self.propose_deadline_s)
        segment = self.segment
        return Propose(gateway, segment.embeddings, segment.segmenter, self.propose_limits, claim)

    def embed(self, request: Request) -> EmbedAhead:
        """Prepare on behalf of the caller."""
        return EmbedAhead(self.gateway(request.state.caller), self.ahead)

    def claim(self, request: Request, deadline_s: float | None = None) -> Claim:
        """Tell who waits, and how long: the time runs from the moment at which the request came."""
        deadline = request.state.arrived + (self.deadline_s if deadline_s is None else deadline_s)
        return Claim(whose(request), deadline=deadline, given_up=request.state.gone)

    def done(self, use_case: str, outcome: str, timings_ms: Mapping[str, float], response: Response) -> None:
        """Count what was done, and say on the span and in the answer how long it took."""
        spans.note({"refine.use_case": use_case, "refine.outcome": outcome})
        self.metrics.done(use_case, outcome, timings_ms)
        response.headers["Server-Timing"] = server_timing(timings_ms)


def whose(request: Request) -> int | None:
    """Tell whose turn it is that a request takes."""
    caller: Caller | None = request.state.caller
    return None if caller is None else caller.user_id
