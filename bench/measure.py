"""CPU per call and added latency, by the same load on three ways: direct, through nginx, through Turnpike."""
import hashlib
import json
import os
import statistics
import time

from processes import OTHER_KEY, UPSTREAM_KEY, FakeProvider, Gateway, Load, Nginx, note, request

WAYS = ("direct", "nginx", "turnpike")
CORES = len(os.sched_getaffinity(0))


def machine_busy_us():
    """CPU time of all processes of the machine so far."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * 1e6 / os.sysconf("SC_CLK_TCK")


class Bench:
    """The provider, nginx and the gateway of all runs, and what was found wrong with their answers."""

    def __init__(self, directory, io_threads):
        self.directory = directory
        self.io_threads = io_threads
        self.processes = []
        self.wrong = []
        self.good_through_gateway = 0
        self.strangers = []  # Share of the machine that others used, one value for each measured run.

    def __enter__(self):
        try:
            self.provider = self._keep(FakeProvider(self.directory))
            self.nginx = self._keep(Nginx(self.directory, self.provider.port, self.io_threads))
            self.gateway = self._keep(Gateway(self.directory, "gateway", self.provider.port, self.io_threads))
            self.key = self.gateway.make_key()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _keep(self, process):
        self.processes.append(process)
        return process

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()

    def load(self, way, body, stream, connections):
        port = {"direct": self.provider.port, "nginx": self.nginx.stream_port if stream else self.nginx.port,
                "turnpike": self.gateway.port}[way]
        key = self.key if way == "turnpike" else OTHER_KEY
        file = self.directory / f"{body}-{'stream' if stream else 'plain'}.json"
        return Load(port, connections, file, key, stream)

    def check(self, what, way, result):
        if way == "turnpike":
            self.good_through_gateway += result["good"]
        if result["errors"] or result["lost"] or result["good"] != result["calls"]:
            self.wrong.append(f"{what} {way}: {result}")

    def sample(self):
        """CPU microseconds so far: provider, nginx, the gateway's I/O threads, all of its other threads by name."""
        gateway = self.gateway.cpu()
        io = sum(us for name, us in gateway.items() if name.startswith("io-"))
        others = {name: us for name, us in gateway.items() if not name.startswith("io-")}
        return {"provider": sum(self.provider.cpu().values()), "nginx": sum(self.nginx.cpu().values()), "io": io, **others}

    def measured(self, what, way, load, command):
        """Runs one command; CPU spent by everybody until all that was deferred is done too."""
        before, busy_before, started = self.sample(), machine_busy_us(), time.monotonic()
        result = load.run(command)
        if way == "turnpike":
            self.gateway.wait_settled()
        after, busy_after, seconds = self.sample(), machine_busy_us(), time.monotonic() - started
        spent = {name: us - before.get(name, 0.0) for name, us in after.items()}
        strangers_us = busy_after - busy_before - sum(spent.values()) - result["cpu_us"]
        self.strangers.append(max(0.0, strangers_us) / (seconds * 1e6 * CORES))
        self.check(what, way, result)
        return result, spent

    def disagreements(self):
        """Calls that were lost or wrong, and whether provider and ledger count what the load counted."""
        self.gateway.wait_settled()
        label = hashlib.sha256(UPSTREAM_KEY.encode()).hexdigest()[:12]
        served = request(self.provider.port, "GET", "/account")["by_key"].get(label, {"calls": 0})["calls"]
        if served != self.good_through_gateway:
            self.wrong.append(f"the provider served {served} calls of the gateway, {self.good_through_gateway} were answered")
        self.gateway.stop()
        return self.wrong + self.gateway.verify()


def cpu_row(bench, name, body, stream, connections, calls, rounds):
    note(f"{name}: {calls} calls, {rounds} rounds of each way")
    loads = {}
    seen = {way: [] for way in WAYS}
    bench.strangers.clear()
    try:
        for way in WAYS:
            loads[way] = bench.load(way, body, stream, connections)
            bench.check(name, way, loads[way].run(f"closed {max(connections, calls // 4)}"))
        bench.gateway.wait_settled()
        for _ in range(rounds):
            for way in WAYS:
                result, spent = bench.measured(name, way, loads[way], f"closed {calls}")
                per_call = {who: us / calls for who, us in spent.items()}
                per_call["load"] = result["cpu_us"] / calls
                per_call["rate"] = calls / result["seconds"]
                per_call["p50_us"], per_call["p99_us"] = result["p50_us"], result["p99_us"]
                seen[way].append(per_call)
    finally:
        for load in loads.values():
            load.stop()

    def median(way, field):
        return statistics.median(run.get(field, 0.0) for run in seen[way])

    other_names = sorted({who for run in seen["turnpike"] for who in run}
                         - {"provider", "nginx", "io", "load", "rate", "p50_us", "p99_us"})
    others = [sum(run.get(who, 0.0) for who in other_names) for run in seen["turnpike"]]
    ios = [run["io"] for run in seen["turnpike"]]
    yardstick = [run["nginx"] for run in seen["nginx"]]
    row = {
        "nginx_us": round(median("nginx", "nginx"), 2),
        "io_us": round(statistics.median(ios), 2),
        "other_us": round(statistics.median(others), 2),
        "other_by_thread": {who: round(median("turnpike", who), 2) for who in other_names if median("turnpike", who) > 0.01},
        "io_ratio": round(statistics.median(io / n for io, n in zip(ios, yardstick)), 3),
        "sum_ratio": round(statistics.median((io + o) / n for io, o, n in zip(ios, others, yardstick)), 3),
        "provider_us": round(median("direct", "provider"), 2), "load_us": round(median("direct", "load"), 2),
        "rate": {way: round(median(way, "rate")) for way in WAYS},
        "p50_us": {way: round(median(way, "p50_us"), 1) for way in WAYS},
        "p99_us": {way: round(median(way, "p99_us"), 1) for way in WAYS},
        "strangers": round(statistics.median(bench.strangers), 3),
        "peak_mib": round(bench.gateway.memory_mib("VmHWM"), 1),
    }
    note("  " + json.dumps(row))
    return row


def latency(bench, body, stream, seconds, rounds):
    """Open loop at the rate where load, gateway and provider together use half of the machine."""
    connections = 64
    what = f"latency {body} {'stream' if stream else 'plain'}"
    loads = {}
    try:
        for way in WAYS:
            loads[way] = bench.load(way, body, stream, connections)
            bench.check(what, way, loads[way].run("closed 2000"))
        rate, busy = find_rate(bench, what, loads["turnpike"])
        note(f"{what}: {rate:.0f} calls/s use {busy:.0%} of the machine; {rounds} rounds of {seconds} s each")
        seen = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                result = loads[way].run(f"open {rate:.0f} {seconds}")
                bench.check(what, way, result)
                seen[way].append(result)
            bench.gateway.wait_settled()
    finally:
        for load in loads.values():
            load.stop()
    row = {"rate": round(rate), "busy": round(busy, 2)}
    fields = ["p50_us", "p99_us"] + (["first_p50_us", "first_p99_us"] if stream else [])
    for field in fields:
        row[field] = {way: round(statistics.median(run[field] for run in seen[way]), 1) for way in WAYS}
        for way in ("nginx", "turnpike"):
            row[f"{way}_added_{field}"] = round(
                statistics.median(a[field] - b[field] for a, b in zip(seen[way], seen["direct"])), 1)
        row[f"over_nginx_{field}"] = round(
            statistics.median(a[field] - b[field] for a, b in zip(seen["turnpike"], seen["nginx"])), 1)
    note("  " + json.dumps(row))
    return row


def find_rate(bench, what, load):
    """By a few short runs: CPU per call falls with the rate, so the next guess comes from the last."""
    half = CORES / 2.0
    rate, busy = 2000.0 * half, 0.0
    for _ in range(5):
        started = time.monotonic()
        before = bench.sample()
        result = load.run(f"open {rate:.0f} 1.0")
        bench.gateway.wait_settled()
        after = bench.sample()
        bench.check(what, "turnpike", result)
        spent = sum(after.values()) - sum(before.get(name, 0.0) for name in after) + result["cpu_us"]
        cores = spent / 1e6 / max(1.0, result["seconds"])
        busy = cores / CORES
        note(f"  {rate:.0f} calls/s: {busy:.0%} ({time.monotonic() - started:.1f} s)")
        if 0.47 <= busy <= 0.53:
            break
        tried, rate = rate, rate * max(0.3, min(2.5, half / cores))
    else:
        rate = tried
    return rate, busy
