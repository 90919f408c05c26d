"""What a scenario says: load, population, gateway, flags, faults and what operators do, when.

Times are seconds from the start of the run (`_s`), latencies milliseconds (`_ms`), money whole yen.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Design = Literal["lock_across_call", "phased", "batched"]
Operation = Literal["card_payment", "p2p_transfer", "top_up", "refund", "balance_inquiry"]
EventKind = Literal["load", "mitigation", "deploy", "notice", "recovery"]

_LIMIT_S = 3600.0


class _Part(BaseModel):
    """Frozen, no unknown keys, no silent conversion of text into numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _span(value: Any) -> Any:
    """A rate is one number, or [from, to] for a ramp."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, value)
    return _pair(value)


YenRange = Annotated[
    tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], BeforeValidator(_pair)
]
Rate = Annotated[
    tuple[Annotated[float, Field(ge=0, le=20_000)], Annotated[float, Field(ge=0, le=20_000)]],
    BeforeValidator(_span),
]
Seconds = Annotated[float, Field(ge=0, le=_LIMIT_S)]


class Flags(_Part):
    """The switches of the wallet. A mitigation event may change any of them during the run."""

    settlement_shards: int = Field(default=1, ge=1, le=64)  # settlement rows; 1 is the hot row
    hash_chain: bool = False  # each posting takes one ledger-wide advisory lock
    lock_order: Literal["sorted", "unsorted"] = "sorted"  # of the accounts of one operation
    isolation: Literal["read committed", "repeatable read", "serializable"] = "read committed"
    auto_charge: bool = True  # charge the card for what the balance lacks
    pool_size: int = Field(default=12, ge=1, le=500)  # connections of one front
    pool_timeout_ms: int = Field(default=5_000, ge=1, le=600_000)  # longest wait for one
    max_waiting: int = Field(default=0, ge=0, le=1_000_000)  # shed above this queue; 0 never sheds
    client_timeout_ms: int = Field(default=8_000, ge=1, le=600_000)  # from the intended arrival
    gateway_timeout_ms: int = Field(default=3_000, ge=1, le=600_000)  # then: outcome unknown
    retries: int = Field(default=0, ge=0, le=50)  # by the client, after failed, timed_out or shed
    backoff: Literal["none", "exponential"] = "none"
    backoff_ms: int = Field(default=100, ge=0, le=60_000)  # first pause; doubles, with jitter
    retry_budget: float = Field(default=0.0, ge=0, le=10)  # retries per first attempt; 0 no limit
    batch_max: int = Field(default=256, ge=1, le=10_000)  # requests in one statement of `batched`
    batch_wait_ms: int = Field(default=4, ge=0, le=1_000)  # longest wait for a batch to fill


class Amounts(_Part):
    """Log-normal amounts of one purchase, transfer or top-up, in yen."""

    median: int = Field(default=1_200, ge=1)
    sigma: float = Field(default=0.8, ge=0, le=3)
    largest: int = Field(default=30_000, ge=1)


class Population(_Part):
    """Who takes part, and how unevenly: popularity falls with rank to the power of the exponent."""

    wallets: int = Field(default=2_000, ge=2, le=1_000_000)
    merchants: int = Field(default=50, ge=1, le=100_000)
    opening_balance_jpy: YenRange = (0, 4_000)
    wallet_zipf: float = Field(default=0.5, ge=0, le=3)
    merchant_zipf: float = Field(default=0.9, ge=0, le=3)
    amount_jpy: Amounts = Amounts.model_construct(median=1_200, sigma=0.8, largest=30_000)


class Gateway(_Part):
    """The card gateway: log-normal latency, share of declined cards, calls it works on at once."""

    latency_ms: float = Field(default=60.0, ge=0, le=60_000)
    latency_sigma: float = Field(default=0.35, ge=0, le=3)
    decline_share: float = Field(default=0.01, ge=0, le=1)
    capacity: int = Field(default=256, ge=1, le=100_000)


class License(_Part):
    """Which licence limits the wallet works under, and as of which day."""

    regime: str = ""
    on: dt.date | None = None


class Clock(_Part):
    """Incident time at the start of the run, and incident seconds per run second (display only)."""

    start: dt.datetime
    compression: float = Field(default=1.0, gt=0, le=1_000_000)


class Phase(_Part):
    """One stretch of load. `mix` gives the share of each operation; the shares sum to 1."""

    label: str
    start_s: Seconds
    end_s: Seconds
    rate_per_s: Rate  # one number, or [from, to]
    mix: dict[Operation, Annotated[float, Field(ge=0, le=1)]]


class FaultSpec(_Part):
    """One fault of the catalogue, in the window [start_s, end_s)."""

    name: str
    start_s: Seconds
    end_s: Seconds
    target: str = ""  # words for the truth of the run
    parameters: dict[str, Any] = Field(default_factory=dict)


class EventSpec(_Part):
    """What an operator does or knows. `set` changes flags at that moment."""

    at_s: Seconds
    kind: EventKind
    label: str
    important: bool = False  # belongs on every chart
    set: dict[str, Any] = Field(default_factory=dict)  # flags that change now


class Scenario(_Part):
    """One checked scenario. `text` is the full TOML it was read from."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")
    title: str
    incident: str = ""  # id in data/incidents
    about: str  # what the public record says, what is shown
    hypothesis: str = ""  # what is assumed beyond the record, called so in words
    sources: tuple[str, ...] = ()
    seed: int = Field(ge=0, lt=2**63)  # one seed, one list of requests
    duration_s: float = Field(gt=0, le=_LIMIT_S)
    drain_s: float = Field(default=10.0, ge=0, le=600)  # longest wait for what is under way
    design: Design = "phased"
    fronts: int = Field(default=2, ge=1, le=32)  # front processes
    database_proxy: bool = False  # put a proxy in front of PostgreSQL, too
    database_latency_ms: float = Field(default=0.0, ge=0, le=1000)  # a proxy delays it, each way
    sampler_hz: float = Field(default=10.0, gt=0, le=50)  # samples of pg_stat_activity
    flags: Flags = Flags()
    population: Population = Population()
    gateway: Gateway = Gateway()
    license: License = License()
    server: dict[str, str | int | float | bool] = Field(default_factory=dict)
    clock: Clock | None = None
    phases: tuple[Phase, ...] = Field(min_length=1)
    faults: tuple[FaultSpec, ...] = ()
    events: tuple[EventSpec, ...] = ()
    text: str = ""

    @property
    def behind_proxy(self) -> bool:
        """True when the fronts reach PostgreSQL through a proxy."""
        return self.database_proxy or self.database_latency_ms > 0
