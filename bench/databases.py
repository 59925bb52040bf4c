"""The path of a call does not know where keys and ledger are: a gateway on SQLite and one on PostgreSQL, by turns."""
import contextlib
import json
import statistics

from by_turns import ByTurns, Postgres, medians, print_medians
from processes import FakeProvider, Gateway, note

TARGET = 1.03


def database_row(directory, io_threads, rounds):
    """CPU of a 1 KB call on both, medians over `rounds` taken in turn; and what was wrong."""
    with contextlib.ExitStack() as ends:
        def keep(process):
            ends.callback(process.stop)
            return process

        provider = keep(FakeProvider(directory))
        server = keep(Postgres(directory))
        gateways = {name: keep(Gateway(directory, name, provider.port, io_threads, database_url=url))
                    for name, url in (("sqlite", None), ("postgres", server.url()))}
        turns = ByTurns(directory, gateways, {name: gateway.make_key() for name, gateway in gateways.items()})
        spent = turns.run("databases", rounds)
        turns.stop()
    row = medians(spent)
    ratios = [there["io"] / here["io"] for here, there in zip(spent["sqlite"], spent["postgres"])]
    row["io_ratio"] = round(statistics.median(ratios), 3)
    note("  " + json.dumps(row))
    return row, turns.wrong


def print_databases(row, wrong):
    """1 when something was wrong."""
    print_medians(row, ("sqlite", "postgres"))
    missed = "" if row["io_ratio"] <= TARGET else "  MISSED"
    print(f"I/O threads on PostgreSQL to SQLite: {row['io_ratio']:.3f}  <= {TARGET:g}{missed}")
    for line in wrong:
        print("WRONG: " + line)
    return 1 if wrong else 0
