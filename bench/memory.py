"""Memory of connections that wait and of slow streams, idle memory, and the time from start to ready."""
import json
import statistics
import time

from processes import FakeProvider, Gateway, Load, gateway_config, note, request, until

IDLE_CONNECTIONS = 5000
SLOW_STREAMS = 2000
STARTS = 5


def chat(stream, **directives):
    return json.dumps({"model": "bench", "stream": stream, "messages": [{"role": "user", "content": "hello"}],
                       "fake": directives})


def memory_figures(directory, io_threads, wrong):
    provider = FakeProvider(directory)
    try:
        figures = starts(directory, io_threads, provider)
        figures |= idle(directory, io_threads, provider, wrong)
        figures |= slow_streams(directory, io_threads, provider, wrong)
    finally:
        provider.stop()
    note("  " + json.dumps(figures))
    return figures


def starts(directory, io_threads, provider):
    """1,000 deployments in 100 groups, a new data directory each time."""
    note(f"start to ready with 1,000 deployments, {STARTS} times")
    config = gateway_config(provider.port, groups=100, deployments_each=10)
    taken = []
    for number in range(STARTS):
        gateway = Gateway(directory, f"start-{number}", provider.port, io_threads, config)
        taken.append(gateway.start_ms)
        gateway.stop()
    return {"start_ms": round(statistics.median(taken), 1)}


def idle(directory, io_threads, provider, wrong):
    note(f"idle, then {IDLE_CONNECTIONS} idle connections")
    gateway = Gateway(directory, "idle", provider.port, io_threads)
    load = None
    try:
        key = gateway.make_key()
        gateway.wait_settled()
        time.sleep(1.0)
        figures = {"idle_mib": round(gateway.memory_mib(), 1)}
        body = directory / "idle.json"
        body.write_text(chat(False))
        load = Load(gateway.port, IDLE_CONNECTIONS, body, key)
        for name, command in (("idle_connections_mib", "each 64"), ("after_burst_mib", f"closed {IDLE_CONNECTIONS}")):
            result = load.run(command)  # Every connection has served a call; then all at the same time.
            if result["errors"] or result["lost"] or result["good"] != IDLE_CONNECTIONS:
                wrong.append(f"{IDLE_CONNECTIONS} connections: {result}")
            gateway.wait_settled()
            time.sleep(1.0)
            figures[name] = round(gateway.memory_mib(), 1)
        figures["burst_peak_mib"] = round(gateway.memory_mib("VmHWM"), 1)
        return figures
    finally:
        if load:
            load.stop()
        gateway.stop()


def slow_streams(directory, io_threads, provider, wrong):
    """One event a second; measured while every stream has been open for two seconds at least."""
    note(f"{SLOW_STREAMS} open slow streams")
    gateway = Gateway(directory, "streams", provider.port, io_threads)
    load = None
    try:
        key = gateway.make_key()
        body = directory / "slow.json"
        body.write_text(chat(True, token_ms=1000, tokens=6))
        load = Load(gateway.port, SLOW_STREAMS, body, key, stream=True)
        load.begin(f"closed {SLOW_STREAMS}")
        until(lambda: request(provider.port, "GET", "/account")["open"] == SLOW_STREAMS, "all streams to be open")
        time.sleep(2.0)
        still_open = request(provider.port, "GET", "/account")["open"]
        figures = {"slow_streams_mib": round(gateway.memory_mib(), 1)}
        if still_open != SLOW_STREAMS:
            wrong.append(f"only {still_open} of {SLOW_STREAMS} streams were open")
        result = load.result()
        if result["errors"] or result["lost"] or result["good"] != SLOW_STREAMS:
            wrong.append(f"{SLOW_STREAMS} slow streams: {result}")
        figures["slow_streams_peak_mib"] = round(gateway.memory_mib("VmHWM"), 1)
        return figures
    finally:
        if load:
            load.stop()
        gateway.stop()
