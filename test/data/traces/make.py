#!/usr/bin/env python3
"""Writes azure2023_conv_2000.csv: the first 2,000 rows of the conversation trace, sorted by time.

    make.py AzureLLMInferenceTrace_conv.csv > azure2023_conv_2000.csv

Reads the file as published (TIMESTAMP, ContextTokens, GeneratedTokens) or one already reduced to offset_ms,
prompt_tokens, completion_tokens. Only times and token counts are kept; there is no text in either.
"""
import csv
import datetime
import sys

ROWS = 2000


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
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["offset_ms", "prompt_tokens", "completion_tokens"])
    for at, prompt, completion in rows[:ROWS]:
        out.writerow([round(at - first), prompt, completion])


main()
