"""The path of a call does not know where keys and ledger are: a gateway on SQLite and one on PostgreSQL, by turns."""
import contextlib
import json
import os
import statistics
import subprocess

from processes import FakeProvider, Gateway, Load, Process, free_port, note, until

BIN = "/usr/lib/postgresql/15/bin"
TARGET = 1.03
CONNECTIONS = 64
CALLS = 20000


class Postgres(Process):
    """Durable as it comes, on a free loopback port; root becomes `postgres` for it."""

    def __init__(self, directory):
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT"] if os.getuid() == 0 else []
        home = directory / "server"
        home.mkdir()
        directory.chmod(0o755)
        if self.user:
            subprocess.run(["chown", "postgres:", home], check=True)
        log = open(directory / "postgres.log", "wb")
        subprocess.run([*self.user, f"{BIN}/initdb", "-D", home / "data", "-A", "trust", "-U", "turnpike", "-E", "UTF8", "--locale=C"],
                       check=True, stdout=log, cwd="/")
        self.port = free_port()
        super().__init__([*self.user, f"{BIN}/postgres", "-D", home / "data", "-k", home, "-h", "127.0.0.1", "-p", self.port], log, stderr=log)
        ready = [f"{BIN}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        until(lambda: subprocess.run(ready).returncode == 0, "PostgreSQL")

    def url(self):
        return f"postgresql://turnpike@127.0.0.1:{self.port}/postgres"


def spent_by(gateway, load, calls, wrong):
    """CPU microseconds per call until its entry is in the database."""
    before = gateway.cpu_by_kind()
    result = load.run(f"closed {calls}")
    gateway.wait_settled()
    after = gateway.cpu_by_kind()
    if result["errors"] or result["lost"] or result["good"] != calls:
        wrong.append(f"{gateway.home.name}: {result}")
    return {kind: (after[kind] - before[kind]) / calls for kind in after}


def database_row(directory, io_threads, rounds):
    """CPU of a 1 KB call on both, medians over `rounds` taken in turn; and what was wrong."""
    wrong = []
    with contextlib.ExitStack() as ends:
        def keep(process):
            ends.callback(process.stop)
            return process

        provider = keep(FakeProvider(directory))
        server = keep(Postgres(directory))
        gateways = {name: keep(Gateway(directory, name, provider.port, io_threads, database_url=url))
                    for name, url in (("sqlite", None), ("postgres", server.url()))}
        loads = {name: keep(Load(gateway.port, CONNECTIONS, directory / "1KB-plain.json", gateway.make_key()))
                 for name, gateway in gateways.items()}
        spent = {name: [] for name in gateways}
        for name, gateway in gateways.items():
            spent_by(gateway, loads[name], CALLS // 4, wrong)
        for turn in range(rounds):
            note(f"databases: round {turn + 1} of {rounds}, {CALLS} calls each")
            for name in (list(gateways) if turn % 2 == 0 else reversed(gateways)):
                spent[name].append(spent_by(gateways[name], loads[name], CALLS, wrong))
        for name, gateway in gateways.items():
            gateway.stop()
            wrong += [f"{name}: {line}" for line in gateway.verify()]
    row = {f"{name}_{kind}_us": round(statistics.median(run[kind] for run in runs), 2)
           for name, runs in spent.items() for kind in ("io", "others")}
    ratios = [there["io"] / here["io"] for here, there in zip(spent["sqlite"], spent["postgres"])]
    row["io_ratio"] = round(statistics.median(ratios), 3)
    note("  " + json.dumps(row))
    return row, wrong


def print_databases(row, wrong):
    """1 when something was wrong."""
    print(f"\n{'A 1 KB call, us':<20}{'I/O threads':>13}{'others':>9}")
    for name in ("sqlite", "postgres"):
        print(f"{name:<20}{row[f'{name}_io_us']:>13.1f}{row[f'{name}_others_us']:>9.1f}")
    missed = "" if row["io_ratio"] <= TARGET else "  MISSED"
    print(f"I/O threads on PostgreSQL to SQLite: {row['io_ratio']:.3f}  <= {TARGET:g}{missed}")
    for line in wrong:
        print("WRONG: " + line)
    return 1 if wrong else 0
