"""The one table: every figure with its target beside it, and the last kept ratio."""
import json

IO_TARGETS = {"1KB plain 64": 1.25, "10KB plain 64": 1.5, "300KB plain 64": 2.0, "1KB stream 64": 1.3}
SUM_TARGETS = {"1KB plain 64": 2.5}
LATENCY_TARGETS_US = {"over_nginx_p50_us": 100.0, "over_nginx_p99_us": 500.0}
MEMORY_TARGETS = {  # Name in the results: (words, limit, unit)
    "idle_mib": ("RSS, idle", 30.0, "MiB"),
    "idle_connections_mib": ("RSS, 5,000 idle connections", 80.0, "MiB"),
    "after_burst_mib": ("RSS, idle after 5,000 calls at once", None, "MiB"),
    "burst_peak_mib": ("RSS, peak of 5,000 calls at once", None, "MiB"),
    "slow_streams_mib": ("RSS, 2,000 open slow streams", 80.0, "MiB"),
    "start_ms": ("start to ready, 1,000 deployments", 150.0, "ms"),
}


def verdict(value, target):
    return "" if target is None else f"<= {target:g}" + ("" if value <= target else "  MISSED")


def ratios_of(results):
    ratios = {}
    for name, row in results["cpu"].items():
        ratios[f"{name} io"], ratios[f"{name} sum"] = row["io_ratio"], row["sum_ratio"]
    return ratios


def print_table(results, baseline_file, write_baseline):
    baseline = json.loads(baseline_file.read_text()) if baseline_file.exists() else {}
    machine = results["machine"]
    print(f"\n{machine['cpu']}, {machine['cores']} cores, kernel {machine['kernel']}, {machine['nginx']}, "
          f"commit {machine['commit']}; {results['io_threads']} I/O threads, medians of {results['rounds']} rounds\n")
    if results["cpu"]:
        print(f"{'CPU per call':<20}{'nginx us':>9}{'I/O us':>8}{'rest us':>8}{'provider':>9}{'calls/s':>9}"
              f"{'I/O : nginx':>13}  {'target':<15}{'kept':>6}{'sum : nginx':>13}  {'target':<15}{'kept':>6}{'others':>8}")
    for name, row in results["cpu"].items():
        io, total = row["io_ratio"], row["sum_ratio"]
        kept_io, kept_sum = baseline.get(f"{name} io", ""), baseline.get(f"{name} sum", "")
        print(f"{name:<20}{row['nginx_us']:>9.1f}{row['io_us']:>8.1f}{row['other_us']:>8.1f}{row['provider_us']:>9.1f}"
              f"{row['rate']['turnpike']:>9}{io:>13.2f}  {verdict(io, IO_TARGETS.get(name)):<15}{kept_io:>6}"
              f"{total:>13.2f}  {verdict(total, SUM_TARGETS.get(name)):<15}{kept_sum:>6}{row['strangers']:>8.0%}")
    if any(row["strangers"] > 0.1 for row in results["cpu"].values()):
        print("Others used more than a tenth of the machine in some rows (last column): measure again on a quiet one.")
    if results["latency"]:
        print(f"\n{'Added latency, us':<28}{'calls/s':>9}{'machine':>9}{'direct':>9}{'nginx +':>9}{'Turnpike +':>12}{'over nginx':>12}  target")
    for name, row in results["latency"].items():
        for field in ("p50_us", "p99_us", "first_p50_us", "first_p99_us"):
            if field not in row:
                continue
            over = row[f"over_nginx_{field}"]
            print(f"{name + ' ' + field.removesuffix('_us').replace('_', ' '):<28}{row['rate']:>9}{row['busy']:>9.0%}"
                  f"{row[field]['direct']:>9.0f}{row[f'nginx_added_{field}']:>9.0f}{row[f'turnpike_added_{field}']:>12.0f}"
                  f"{over:>12.0f}  {verdict(over, LATENCY_TARGETS_US.get(f'over_nginx_{field}'))}")
    if results["memory"]:
        print(f"\n{'Memory and start':<40}{'':>4}  target")
    for name, (words, limit, unit) in MEMORY_TARGETS.items():
        if name in results["memory"]:
            print(f"{words:<36}{results['memory'][name]:>8.1f} {unit:<4}{verdict(results['memory'][name], limit)}")
    if write_baseline:
        baseline_file.write_text(json.dumps(baseline | ratios_of(results), indent=1, sort_keys=True) + "\n")
