"""Two or more gateways under the same load by turns, so that what differs between them shows through a busy machine."""
import os
import statistics
import subprocess

from processes import Load, Process, free_port, note, until

BIN = "/usr/lib/postgresql/15/bin"
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

    def url(self, database="postgres"):
        return f"postgresql://turnpike@127.0.0.1:{self.port}/{database}"

    def fresh(self, database):
        """The address of a new database."""
        subprocess.run([f"{BIN}/createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "turnpike", database], check=True)
        return self.url(database)


def spent_by(gateway, load, calls, wrong):
    """CPU microseconds per call until its entry is in the database."""
    before = gateway.cpu_by_kind()
    result = load.run(f"closed {calls}")
    gateway.wait_settled()
    after = gateway.cpu_by_kind()
    if result["errors"] or result["lost"] or result["good"] != calls:
        wrong.append(f"{gateway.home.name}: {result}")
    return {kind: (after[kind] - before[kind]) / calls for kind in after}


class ByTurns:
    """Gateways and the load of each; `run` takes them in turn and gives the CPU microseconds per call of each run."""

    def __init__(self, directory, gateways, keys, body="1KB-plain.json"):
        self.gateways, self.wrong = gateways, []
        self.loads = {name: Load(gateway.port, CONNECTIONS, directory / body, keys[name]) for name, gateway in gateways.items()}
        for name, gateway in gateways.items():
            spent_by(gateway, self.loads[name], CALLS // 4, self.wrong)

    def run(self, title, rounds):
        spent = {name: [] for name in self.gateways}
        for turn in range(rounds):
            note(f"{title}: round {turn + 1} of {rounds}, {CALLS} calls each")
            for name in (list(spent) if turn % 2 == 0 else reversed(spent)):
                spent[name].append(spent_by(self.gateways[name], self.loads[name], CALLS, self.wrong))
        return spent

    def stop(self):
        for load in self.loads.values():
            load.stop()
        for gateway in set(self.gateways.values()):
            gateway.stop()
            self.wrong += [f"{gateway.home.name}: {line}" for line in gateway.verify()]


def medians(spent):
    return {f"{name}_{kind}_us": round(statistics.median(run[kind] for run in runs), 2)
            for name, runs in spent.items() for kind in ("io", "others")}


def print_medians(row, names):
    print(f"\n{'A 1 KB call, us':<36}{'I/O threads':>13}{'others':>9}")
    for name in names:
        print(f"{name:<36}{row[f'{name}_io_us']:>13.1f}{row[f'{name}_others_us']:>9.1f}")
