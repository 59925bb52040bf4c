#!/usr/bin/env python3
"""Writes a trace in its short form, sorted by time: all of it, or its first so many rows.

    make.py AzureLLMInferenceTrace_conv.csv 2000 > azure2023_conv_2000.csv
    make.py AzureLLMInferenceTrace_code.csv > azure2023_code.csv

Reads the file as published (TIMESTAMP, ContextTokens, GeneratedTokens) or one already reduced to offset_ms,
prompt_tokens, completion_tokens. Only times and token counts are kept; there is no text in either.
"""
import csv
import datetime
import sys

def published(row):
    stamp = row["TIMESTAMP"][:26]  # Seven digits of fraction; Python reads six.
    at = datetime.datetime.fromisoformat(stamp).replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() * 1000, int(row["ContextTokens"]), int(row["GeneratedTokens"])


def reduced(row):
    return int(row["offset_ms"]), int(row["prompt_tokens"]), int(row["completion_tokens"])


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        read = reduced if "offset_ms" in reader.fieldnames else published
        rows = sorted((read(row) for row in reader), key=lambda row: row[0])
    first = rows[0][0]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else len(rows)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["offset_ms", "prompt_tokens", "completion_tokens"])
    for at, prompt, completion in rows[:count]:
        out.writerow([round(at - first), prompt, completion])


main()
