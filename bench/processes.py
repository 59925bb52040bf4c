"""The processes of a bench run: started on free loopback ports, watched through /proc, ended and awaited."""
import ctypes
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("TURNPIKE_BINARY", ROOT / "build/release/turnpike"))
LOAD = ROOT / "build/bench/bench_load"
MASTER_KEY = "sk-bench-master"
UPSTREAM_KEY = "sk-bench-upstream"  # What the gateway shows the scripted provider; other runs show another one.
OTHER_KEY = "sk-bench-other"

_libc = ctypes.CDLL(None)


def _child_setup():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives the bench, whatever happens to it.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(probe, what, seconds=20.0, pause=0.01):
    """The first true value of `probe`; connection errors count as not yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = probe()
            if value:
                return value
        except OSError:
            pass
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds} s for {what}")
        time.sleep(pause)


class Process:
    """A child; `cpu()` is its CPU time in microseconds by thread name."""

    def __init__(self, args, stdout, env=None, stdin=None, stderr=None):
        self.child = subprocess.Popen([str(a) for a in args], stdin=stdin, stdout=stdout, stderr=stderr,
                                      env=env, preexec_fn=_child_setup)

    def pids(self):
        return [self.child.pid]

    def cpu(self):
        spent = {}
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                try:
                    name = (task / "comm").read_text().strip()
                    nanoseconds = int((task / "schedstat").read_text().split()[0])
                except (FileNotFoundError, ProcessLookupError):
                    continue  # The thread has ended.
                spent[name] = spent.get(name, 0.0) + nanoseconds / 1000.0
        return spent

    def memory_mib(self, field="VmRSS"):
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1])
        return total / 1024.0

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()


class FakeProvider(Process):
    def __init__(self, directory):
        log = open(directory / "provider.log", "wb")
        self.port = free_port()
        super().__init__([BINARY, "fake-provider", "--port", self.port, "--threads", len(os.sched_getaffinity(0)), "--answers", 0], log)
        until(lambda: request(self.port, "GET", "/health"), "the scripted provider")

    def account(self):
        return request(self.port, "GET", "/account")


class Nginx(Process):
    """A plain reverse proxy with keep-alive on both sides; streams have a port of their own without buffering."""

    def __init__(self, directory, upstream_port, workers):
        self.port, self.stream_port = free_port(), free_port()
        home = directory / "nginx"
        home.mkdir()
        location = """location / { proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; }"""
        temp = "".join(f"{kind}_temp_path {home}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (home / "nginx.conf").write_text(f"""
daemon off; worker_processes {workers}; pid {home}/pid; {"user root;" if os.getuid() == 0 else ""}
error_log {home}/error.log warn;
events {{ worker_connections 16384; }}
http {{
  access_log off; {temp}
  keepalive_requests 1000000000; keepalive_timeout 600s;
  client_max_body_size 0; client_body_buffer_size 1m;  # No body goes through a file.
  upstream provider {{
    server 127.0.0.1:{upstream_port}; keepalive 2048; keepalive_requests 1000000000; keepalive_timeout 600s;
  }}
  server {{ listen 127.0.0.1:{self.port} backlog=4096; {location} }}
  server {{ listen 127.0.0.1:{self.stream_port} backlog=4096; proxy_buffering off; {location} }}
}}
""")
        log = open(home / "printed.log", "wb")
        super().__init__(["nginx", "-p", home, "-e", home / "error.log", "-c", home / "nginx.conf"], log, stderr=log)
        until(lambda: request(self.port, "GET", "/health"), "nginx")

    def pids(self):
        master = self.child.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [master] + [int(pid) for pid in children]


def gateway_config(upstream_port, groups=0, deployments_each=0):
    def deployment(name, model="openai/bench", path="/v1"):
        return (f"  - model_name: '{name}'\n"
                f"    litellm_params: {{model: '{model}', api_base: 'http://127.0.0.1:{upstream_port}{path}', api_key: '{UPSTREAM_KEY}'}}\n"
                "    model_info: {input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}\n")

    names = ["bench"] + [f"group-{g}" for g in range(groups) for _ in range(deployments_each)]
    translated = deployment("bench-anthropic", "anthropic/bench", "")
    return "model_list:\n" + "".join(map(deployment, names)) + translated


class Gateway(Process):
    """Everything is on: key, budget, ledger and journal, access log into a file, metrics."""

    def __init__(self, directory, name, upstream_port, io_threads, config=None, database_url=None):
        self.home = directory / name
        self.home.mkdir()
        self.data = self.home / "data"
        self.port = free_port()
        (self.home / "config.yaml").write_text(config or gateway_config(upstream_port))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LITELLM_MASTER_KEY": MASTER_KEY}
        if database_url:
            self.env["DATABASE_URL"] = database_url
        started = time.monotonic()
        super().__init__([BINARY, "--config", self.home / "config.yaml", "--host", "127.0.0.1", "--port", self.port,
                          "--num_workers", io_threads, "--data_dir", self.data],
                         open(self.home / "access.log", "wb"), env=self.env, stderr=open(self.home / "operator.log", "wb"))

        def ready():
            if self.child.poll() is not None:
                raise RuntimeError("the gateway ended: " + (self.home / "operator.log").read_text())
            return request(self.port, "GET", "/health/readiness")

        until(ready, "the gateway", pause=0.0005)
        self.start_ms = (time.monotonic() - started) * 1000.0

    def make_key(self):
        made = request(self.port, "POST", "/key/generate", {"max_budget": 1000000.0, "models": ["bench", "bench-anthropic"]}, MASTER_KEY)
        return made["key"]

    def settled(self):
        """True when every entry is in the database; the journal's last sync (10 ms) is over long before."""
        text = request(self.port, "GET", "/metrics", key=MASTER_KEY)
        values = {line.split()[0]: float(line.split()[1]) for line in text.splitlines()
                  if line.startswith("turnpike_ledger_unshipped_entries ")}
        return values["turnpike_ledger_unshipped_entries"] == 0

    def wait_settled(self):
        until(self.settled, "the ledger to be shipped", 60.0, 0.02)
        time.sleep(0.05)

    def cpu_by_kind(self):
        """CPU microseconds so far: of the I/O threads, of all others."""
        spent = self.cpu()
        io = sum(us for name, us in spent.items() if name.startswith("io-"))
        return {"io": io, "others": sum(spent.values()) - io}

    def verify(self):
        """What `ledger verify` finds wrong once the gateway has stopped; empty: nothing."""
        command = [str(BINARY), "ledger", "verify", "--data_dir", str(self.data)]
        found = subprocess.run(command, capture_output=True, text=True, env=self.env)
        return [] if found.returncode == 0 else ["ledger verify: " + found.stdout[-2000:] + found.stderr[-500:]]


class Load(Process):
    def __init__(self, port, connections, body_file, key, stream=False, path="/v1/chat/completions"):
        args = [LOAD, "--connect", f"127.0.0.1:{port}", "--connections", connections, "--path", path, "--body", body_file,
                "--header", f"Authorization: Bearer {key}"] + (["--stream"] if stream else [])
        super().__init__(args, subprocess.PIPE, stdin=subprocess.PIPE)
        if self.child.stdout.readline().strip() != b"ready":
            raise RuntimeError("the load generator did not connect")

    def begin(self, command):
        self.child.stdin.write(command.encode() + b"\n")
        self.child.stdin.flush()

    def result(self):
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        return json.loads(line)

    def run(self, command):
        self.begin(command)
        return self.result()


class Refused(OSError):
    """An answer other than 200."""


def request(port, method, path, body=None, key=None):
    """One HTTP call; the JSON of the answer, or its text. Raises on anything but 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        reply = connection.getresponse()
        text = reply.read().decode()
    finally:
        connection.close()
    if reply.status != 200:
        raise Refused(f"{method} {path}: {reply.status} {text[:300]}")
    return json.loads(text) if "json" in reply.getheader("content-type", "") else text


def note(text):
    print(text, file=sys.stderr, flush=True)
