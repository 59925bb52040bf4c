"""What budgets and limits of everybody cost a call: a caller with a team, an organisation, a user, an end user and a tag, of
which only the key has a budget, on SQLite and on PostgreSQL with leases, and there the same caller with budgets and limits of
key, member, team, organisation, user, end user, tag and model; by turns."""
import contextlib
import json
import statistics

from by_turns import ByTurns, Postgres, medians, print_medians
from processes import MASTER_KEY, FakeProvider, Gateway, note, request

TARGET_US = 1.5
ONE, LEASED, ALL = "one key budget, SQLite", "one key budget, leased", "budgets and limits of all, leased"
BUDGET = {"max_budget": 1000000.0, "budget_duration": "30d"}
LIMITS = {"rpm_limit": 900_000_000, "tpm_limit": 900_000_000_000, "max_parallel_requests": 1_000_000}
BY_MODEL = {"model_max_budget": {"bench": {"budget_limit": 1000000.0, "time_period": "30d"}}}


def make_caller(gateway, all_limited):
    """A key in a team of an organisation, of a user who is its member, with a tag; `user` of the body is the end user. Either
    the key alone has a budget, or each call meets eleven budgets and the limits of four."""
    def post(path, body):
        return request(gateway.port, "POST", path, body, MASTER_KEY)

    budget, limits, by_model = (BUDGET, LIMITS, BY_MODEL) if all_limited else ({}, {}, {})
    organization = post("/organization/new", {"organization_alias": "bench", "models": ["bench"], **budget, **limits})["organization_id"]
    user = post("/user/new", {"user_id": "bench-owner", "auto_create_key": False, **budget, **limits})["user_id"]
    team = post("/team/new", {"team_alias": "bench", "models": ["bench"], "organization_id": organization, **budget, **limits, **by_model})["team_id"]
    member = {"max_budget_in_team": 1000000.0} if all_limited else {}
    post("/team/member_add", {"team_id": team, "member": {"role": "user", "user_id": user}, **member})
    post("/customer/new", {"user_id": "bench-user", **budget})
    post("/tag/new", {"name": "bench", **budget})
    made = post("/key/generate", {"models": ["bench"], "team_id": team, "user_id": user, "metadata": {"tags": ["bench"]},
                                  **BUDGET, **limits, **by_model})
    return made["key"]


def budget_row(directory, io_threads, rounds):
    """CPU of a 1 KB call of each, medians over `rounds` taken in turn; and what was wrong."""
    with contextlib.ExitStack() as ends:
        def keep(process):
            ends.callback(process.stop)
            return process

        provider = keep(FakeProvider(directory))
        server = keep(Postgres(directory))
        one = keep(Gateway(directory, "sqlite", provider.port, io_threads))
        leased = keep(Gateway(directory, "leased", provider.port, io_threads, database_url=server.url()))
        all_limited = keep(Gateway(directory, "limited", provider.port, io_threads, database_url=server.fresh("limited")))
        keys = {ONE: make_caller(one, False), LEASED: make_caller(leased, False), ALL: make_caller(all_limited, True)}
        turns = ByTurns(directory, {ONE: one, LEASED: leased, ALL: all_limited}, keys)
        spent = turns.run("budgets", rounds)
        turns.stop()
    row = medians(spent)
    for name in (ONE, LEASED):
        more = [there["io"] + there["others"] - here["io"] - here["others"] for here, there in zip(spent[name], spent[ALL])]
        more_io = [there["io"] - here["io"] for here, there in zip(spent[name], spent[ALL])]
        row[f"more than {name}"] = {"io": round(statistics.median(more_io), 2), "all threads": round(statistics.median(more), 2)}
    note("  " + json.dumps(row))
    return row, turns.wrong


def print_budgets(row, wrong):
    """1 when something was wrong."""
    print_medians(row, (ONE, LEASED, ALL))
    for name in (ONE, LEASED):
        more = row[f"more than {name}"]
        missed = "" if more["io"] <= TARGET_US else "  MISSED"
        print(f"{ALL}, more than {name}: {more['io']:.2f} us of I/O threads  <= {TARGET_US:g}{missed}; {more['all threads']:.2f} us of all threads")
    for line in wrong:
        print("WRONG: " + line)
    return 1 if wrong else 0
