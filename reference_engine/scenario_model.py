"""What a scenario says: load, population, gateway, flags, faults and what operators do, when.

Times are seconds from the start of the run (`_s`), latencies milliseconds (`_ms`), money whole yen.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Design = Literal["lock_across_call", "phased", "batched"]
Operation = Literal["card_payment", "p2p_transfer", "top_up", "refund", "balance_inquiry"]
Isolation = Literal["read committed", "repeatable read", "serializable"]
Trouble = Literal["latency", "jitter", "drop", "reset", "black_hole", "bandwidth"]
EventKind = Literal["load", "mitigation", "deploy", "notice", "recovery"]

_LIMIT_S = 3600.0
_NAME = r"^[a-z0-9][a-z0-9._-]{0,79}$"


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
    isolation: Isolation = "read committed"  # of the fronts' transactions
    auto_charge: bool = True  # charge the card for what the balance lacks
    pool_size: int = Field(default=12, ge=1, le=500)  # connections of one front
    pool_timeout_ms: int = Field(default=5_000, ge=1, le=600_000)  # longest wait for one
    max_waiting: int = Field(default=0, ge=0, le=1_000_000)  # shed above this queue; 0 never sheds
    client_timeout_ms: int = Field(default=8_000, ge=1, le=600_000)  # from the intended arrival
    gateway_timeout_ms: int = Field(default=3_000, ge=1, le=600_000)  # then: outcome unknown
    retries: int = Field(default=0, ge=0, le=50)  # by the client, after failed, timed_out or shed
    backoff: Literal["none", "exponential"] = "none"  # pause before a retry
    backoff_ms: int = Field(default=100, ge=0, le=60_000)  # first pause; doubles, with jitter
    retry_budget: float = Field(default=0.0, ge=0, le=10)  # retries per first attempt; 0 no limit
    batch_max: int = Field(default=256, ge=1, le=10_000)  # requests in one statement of `batched`
    batch_wait_ms: int = Field(default=4, ge=0, le=1_000)  # longest wait for a batch to fill


class Amounts(_Part):
    """Log-normal amounts of one purchase, transfer or top-up, in yen."""

    median: int = Field(default=1_200, ge=1)  # half of them are below
    sigma: float = Field(default=0.8, ge=0, le=3)  # spread of their logarithms
    largest: int = Field(default=30_000, ge=1)  # larger ones are cut to this


class Population(_Part):
    """Who takes part, and how unevenly: popularity falls with rank to the power of the exponent."""

    wallets: int = Field(default=2_000, ge=2, le=1_000_000)  # customers with a wallet each
    merchants: int = Field(default=50, ge=1, le=100_000)  # who take card payments
    opening_balance_jpy: YenRange = (0, 4_000)  # of a wallet, drawn evenly between the two
    wallet_zipf: float = Field(default=0.5, ge=0, le=3)  # exponent for payers; 0: all alike
    merchant_zipf: float = Field(default=0.9, ge=0, le=3)  # exponent for merchants; 0: all alike
    amount_jpy: Amounts = Amounts.model_construct(median=1_200, sigma=0.8, largest=30_000)


class Gateway(_Part):
    """The card gateway: log-normal latency, share of declined cards, calls it works on at once."""

    latency_ms: float = Field(default=60.0, ge=0, le=60_000)  # median of a call
    latency_sigma: float = Field(default=0.35, ge=0, le=3)  # spread of its logarithm
    decline_share: float = Field(default=0.01, ge=0, le=1)  # of cards, decided by the key
    capacity: int = Field(default=256, ge=1, le=100_000)  # calls at once; more wait their turn


class License(_Part):
    """Which licence limits the wallet works under, and as of which day."""

    regime: str = ""  # as in `walletlab licenses`; none: no limits
    on: dt.date | None = None  # day of the rules; none: the day of their text


class Clock(_Part):
    """Incident time at the start of the run, and incident seconds per run second (display only)."""

    start: dt.datetime  # with its zone, as 2018-10-09T14:00:00+09:00
    compression: float = Field(default=1.0, gt=0, le=1_000_000)  # incident seconds a second


class Phase(_Part):
    """One stretch of load. `mix` gives the share of each operation; the shares sum to 1."""

    label: str  # in words
    start_s: Seconds  # not before the end of the phase above
    end_s: Seconds  # not after the run
    rate_per_s: Rate  # requests: one number, or [from, to]
    mix: dict[Operation, Annotated[float, Field(ge=0, le=1)]]  # operation = share, see below


class FaultSpec(_Part):
    """One fault of the catalogue, in the window [start_s, end_s)."""

    name: str  # of a fault below
    start_s: Seconds  # when it is injected
    end_s: Seconds  # when it is healed
    target: str = ""  # words for the truth of the run
    parameters: dict[str, Any] = Field(default_factory=dict)  # of the fault, see there


class NetworkSpec(_Part):
    """Trouble on the way to the gateway or to PostgreSQL, in the window [start_s, end_s)."""

    way: Literal["gateway", "database"]  # from the fronts to where
    trouble: Trouble  # what happens to the bytes, see below
    start_s: Seconds  # when it begins
    end_s: Seconds  # when it ends
    parameters: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)  # see below


class EventSpec(_Part):
    """What an operator does or knows. `set` changes flags at that moment."""

    at_s: Seconds  # when it happens
    kind: EventKind  # what it is
    label: str  # in words
    important: bool = False  # belongs on every chart
    set: dict[str, Any] = Field(default_factory=dict)  # flags that change now


class Scenario(_Part):
    """One checked scenario."""

    name: str = Field(pattern=_NAME)  # of at most 80 characters: a-z, 0-9, `.`, `_`, `-`
    title: str  # one line for people
    incident: str = ""  # id in data/incidents
    about: str  # what the public record says, what is shown
    hypothesis: str = ""  # what is assumed beyond the record, called so in words
    sources: tuple[str, ...] = ()  # of what is said of the public record
    seed: int = Field(ge=0, lt=2**63)  # one seed, one list of requests
    duration_s: float = Field(gt=0, le=_LIMIT_S)  # how long requests arrive
    drain_s: float = Field(default=10.0, ge=0, le=600)  # longest wait for what is under way
    design: Design = "phased"  # how the wallet carries operations out
    fronts: int = Field(default=2, ge=1, le=32)  # front processes
    database_latency_ms: float = Field(default=0.0, ge=0, le=1000)  # a proxy delays it, each way
    sampler_hz: float = Field(default=10.0, gt=0, le=50)  # samples of pg_stat_activity
    flags: Flags = Flags()
    population: Population = Population()
    gateway: Gateway = Gateway()
    license: License = License()
    server: dict[str, str | int | float | bool] = Field(default_factory=dict)  # [server], see above
    clock: Clock | None = None
    phases: tuple[Phase, ...] = Field(min_length=1)  # [[phases]], in order of time
    faults: tuple[FaultSpec, ...] = ()  # [[faults]]
    network: tuple[NetworkSpec, ...] = ()  # [[network]]
    events: tuple[EventSpec, ...] = ()  # [[events]]
    text: str = ""  # the full TOML it was read from; no key of a file

    @property
    def behind_proxy(self) -> bool:
        """True when the fronts reach PostgreSQL through a proxy."""
        return self.database_latency_ms > 0 or any(n.way == "database" for n in self.network)
