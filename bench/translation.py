"""CPU of a call that is translated (OpenAI in, Anthropic out) beside the same call in one dialect, in the same run."""
import json
import statistics

from processes import Load, note

TARGETS = {"1KB plain": 1.6, "1KB stream": 2.0}
CONNECTIONS = 64


def translation_row(bench, name, stream, calls, rounds):
    """I/O threads' CPU per call of both, and the ratio: medians over `rounds`, taken in turn."""
    note(f"translated {name}: {calls} calls, {rounds} rounds of each")
    kind = "stream" if stream else "plain"
    loads = {}
    spent = {"same": [], "translated": []}
    try:
        for way, body in (("same", "1KB"), ("translated", "1KB-translated")):
            file = bench.directory / f"{body}-{kind}.json"
            loads[way] = Load(bench.gateway.port, CONNECTIONS, file, bench.key, stream)
            bench.check(f"translated {name} {way}", "turnpike", loads[way].run(f"closed {calls // 4}"))
        bench.gateway.wait_settled()
        for _ in range(rounds):
            for way, load in loads.items():
                _, used = bench.measured(f"translated {name} {way}", "turnpike", load, f"closed {calls}")
                spent[way].append(used["io"] / calls)
    finally:
        for load in loads.values():
            load.stop()
    ratios = [translated / same for same, translated in zip(spent["same"], spent["translated"])]
    row = {"same_us": round(statistics.median(spent["same"]), 2),
           "translated_us": round(statistics.median(spent["translated"]), 2),
           "ratio": round(statistics.median(ratios), 3)}
    note("  " + json.dumps(row))
    return row


def print_translation(rows):
    if not rows:
        return
    print(f"\n{'Translated call':<20}{'same us':>9}{'translated us':>15}{'ratio':>8}  target")
    for name, row in rows.items():
        target = TARGETS[name]
        print(f"{name:<20}{row['same_us']:>9.1f}{row['translated_us']:>15.1f}{row['ratio']:>8.2f}"
              f"  <= {target:g}{'' if row['ratio'] <= target else '  MISSED'}")
