"""Health over time: when to survey, what alarms follow, what would mend a weak cut, where too many own links lead."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Alarm, SurveyMap
from net.core.health.judge import OwnShare, judge, most_fragile, own_share
from net.core.health.structure import Structure, freeze
from net.core.health.survey import Survey
from net.core.health.watch import THRESHOLDS, AlarmKind, Phase, Watch

SURVEY_EVERY = Millis(30_000)
SURVEY_PER_PEER = Millis(10)
"""Time between surveys, and how much longer per peer on the map: 55 s at 2,500 peers, 17 min at 100,000, so that
surveys (50 ms there, 6 s here) take at most six thousandths of a core."""

SUSPECT_DIVISOR = 4
"""With something in suspense the next survey comes in this part of the interval."""

SHRINK_WINDOW = Millis(3_600_000)
"""What the reach is compared with: its best within the last hour."""

REACH_MAX = 128
"""Surveys remembered for that; an hour has at most 120 of calm ones."""

MEND_FOR = Millis(600_000)
"""How long the far side of a weak cut is held out to the overlay, unless a later survey finds the cut mended."""

MENDED_DIVISOR = 2
"""A cut is mended up to this part of the links that chance would give: above the threshold that clears the alarm."""


@dataclass(frozen=True, slots=True)
class Mending:
    """A wish to the overlay: own links to any of these peers, chosen by its own hash, within all its limits."""

    peers: frozenset[PeerId]
    """The far side of the weak cut."""
    links: int
    """How many this node should open; all nodes of both sides together open about as many as are missing. With none it
    only takes those of others, past the usual cap if need be."""
    until: Millis


@dataclass(frozen=True, slots=True)
class HealthStatistics:
    """Figures of the last survey, for RPC and metrics."""

    surveys: int
    """Surveys since the start."""
    at: Millis
    """When the last one came back, by the driver's clock."""
    peers: int
    """On the map."""
    linked: int
    """Of them, peers with links."""
    reached: int
    """Peers in this node's component."""
    components: int
    links: int
    mean_degree: float
    gap: float
    distance: float
    least_distance: float
    bridges: int
    articulations: int
    severed: int
    """Peers that the gravest articulation peer or link holds alone."""
    cut_links: int
    cut_expected: float
    cut_side: int
    """Peers on the smaller side of the weakest cut."""
    own_domain_links: int
    """Own links into the failure domain that holds most of them past what is due."""
    domains: Mapping[str, float]
    """Share of the network by large failure domain."""
    remains: Mapping[str, float]
    """Part of the others that would hang together without it."""
    alarms: Mapping[str, int]
    """1 for each kind in force, else 0."""


class HealthMonitor:
    """See the module. Mutable: changed by its own methods alone."""

    def __init__(self, me: PeerId, view: Structure, rng: Random, *, surveys: bool = True) -> None:
        """`surveys` is whether the map is surveyed at all."""
        self._surveying = surveys
        self._me = me
        self._view = view
        self._rng = rng
        self._due: Millis | None = None
        self._asked = -1
        self._last: Survey | None = None
        self._at = Millis(0)
        self._surveys = 0
        self._reached: deque[tuple[Millis, int]] = deque(maxlen=REACH_MAX)
        self._watches = {kind: Watch(threshold) for kind, threshold in THRESHOLDS.items()}
        self._own: OwnShare | None = None
        self._mending: Mending | None = None
        self._crowded: frozenset[PeerId] = frozenset()

    def start(self, now: Millis) -> None:
        """Begin: the first survey comes after an interval, when there is something to see."""
        self._due = self._next(now) if self._surveying else None

    def stop(self) -> None:
        """Survey no more."""
        self._due = None

    def deadline(self) -> Millis | None:
        """Return when `tick` has work next; None while a survey is under way."""
        return self._due

    def tick(self, now: Millis) -> list[SurveyMap | Alarm]:
        """Ask for a survey when one is due; a map whose structure is as before is judged by the last one."""
        if self._due is None or now < self._due:
            return []
        version = self._view.structure_version
        if self._last is not None and version == self._asked:
            return [*self.surveyed(self._last, now)]
        self._asked, self._due = version, None
        return [SurveyMap(freeze(self._view))]

    def surveyed(self, survey: Survey, now: Millis) -> list[Alarm]:
        """Take the survey that was asked for; return the alarms that begin with it."""
        self._last, self._at = survey, now
        self._surveys += 1
        reached = survey.piece_of(self._me)
        while self._reached and self._reached[0][0] <= now - SHRINK_WINDOW:
            self._reached.popleft()
        self._reached.append((now, reached))
        most = max(count for _, count in self._reached)
        tags = self._neighbour_tags()
        self._own = own_share(survey, tags)
        found = judge(survey, self._me, tags, most)
        alarms = []
        for kind, watch in self._watches.items():
            finding = found.get(kind)
            if watch.observe(0.0 if finding is None else finding.badness) and finding is not None:
                alarms.append(Alarm(kind.value, finding.text))
        self._crowded = frozenset()
        if self._own is not None and self._alarmed(AlarmKind.DOMAIN_CONCENTRATION):
            self._crowded = frozenset(survey.tagged(self._own.kind, self._own.tag))
        self._mend(survey, now)
        self._due = self._next(now)
        return alarms

    def _next(self, now: Millis) -> Millis:
        interval = SURVEY_EVERY + SURVEY_PER_PEER * len(self._view)
        if any(watch.phase is Phase.SUSPECT for watch in self._watches.values()):
            interval //= SUSPECT_DIVISOR
        return Millis(now + interval - self._rng.randrange(interval // 10))

    def _neighbour_tags(self) -> list[tuple[int, int, int]]:
        facts = [self._view.facts(peer) for peer in self._view.confirmed_neighbours(self._me)]
        return [fact.tags for fact in facts if fact is not None]

    # --- mending ---------------------------------------------------------------------------------------------------

    def _mend(self, survey: Survey, now: Millis) -> None:
        """Draw this node's part in mending: none knows who else acts, so chance keeps the sum near what is missing."""
        self._mending = None
        if self._alarmed(AlarmKind.WEAK_CUT):
            cut, far = survey.spectrum.cut, survey.across(self._me)
            sharing = survey.pieces.sizes[0]
        elif self._alarmed(AlarmKind.DOMAIN_FRAGILE) and (fragile := most_fragile(survey)) is not None:
            domain, cut = fragile
            far, sharing = survey.across(self._me, domain), domain.survivors
        else:
            return
        missing = 0 if cut is None else int(cut.expected) // MENDED_DIVISOR - cut.links
        if missing <= 0 or not far:
            return
        links = missing // sharing + (self._rng.randrange(sharing) < missing % sharing)
        self._mending = Mending(frozenset(far), links, Millis(now + MEND_FOR))

    def take_mending(self) -> Mending | None:
        """Return the links that the overlay should open across a weak cut, once; None if there is no new wish."""
        mending, self._mending = self._mending, None
        return mending

    @property
    def weak(self) -> bool:
        """Whether a weak cut is being mended, one that there is or one that the loss of a domain would leave."""
        return self._alarmed(AlarmKind.WEAK_CUT) or self._alarmed(AlarmKind.DOMAIN_FRAGILE)

    @property
    def crowded(self) -> frozenset[PeerId]:
        """Return the peers of the failure domain that holds too many of this node's links, none without that alarm."""
        return self._crowded

    def _alarmed(self, kind: AlarmKind) -> bool:
        return self._watches[kind].phase is Phase.ALARM

    # --- figures ---------------------------------------------------------------------------------------------------

    @property
    def last(self) -> Survey | None:
        """The last survey, for drawings."""
        return self._last

    def alarms(self) -> frozenset[AlarmKind]:
        """Return the alarms in force."""
        return frozenset(kind for kind in self._watches if self._alarmed(kind))

    def statistics(self) -> HealthStatistics | None:
        """Return the figures, None before the first survey."""
        survey = self._last
        if survey is None:
            return None
        cut, active = survey.spectrum.cut, self.alarms()
        bridges = sum(point.other is not None for point in survey.cut_points)
        return HealthStatistics(
            surveys=self._surveys,
            at=self._at,
            peers=len(survey.shape),
            linked=survey.linked,
            reached=survey.piece_of(self._me),
            components=len(survey.pieces.sizes),
            links=survey.links,
            mean_degree=survey.mean_degree,
            gap=survey.spectrum.gap,
            distance=survey.distance,
            least_distance=survey.least_distance,
            bridges=bridges,
            articulations=len(survey.cut_points) - bridges,
            severed=survey.cut_points[0].severed if survey.cut_points else 0,
            cut_links=0 if cut is None else cut.links,
            cut_expected=0.0 if cut is None else cut.expected,
            cut_side=0 if cut is None else len(cut.side),
            own_domain_links=0 if self._own is None else self._own.links,
            domains={domain.name: domain.share for domain in survey.domains},
            remains={domain.name: domain.remains for domain in survey.domains},
            alarms={kind.value: int(kind in active) for kind in AlarmKind},
        )
