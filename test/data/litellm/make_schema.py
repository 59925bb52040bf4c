#!/usr/bin/env python3
"""Writes schema.sql from a page that lists LiteLLM's tables as
   * **`"Table"`**: `column` type? (= default); ...; primary key (a, b); unique (a); index (b).
   Usage: make_schema.py PAGE > schema.sql"""
import re
import sys

TYPES = {'serial': 'serial'}


def column(item, name):
    match = re.match(r'`(\w+)` (.*)$', item)
    if not match:
        return None
    column_name, rest = match.groups()
    words = re.match(r'(enum "\w+"|[a-z0-9]+(?:\(3\))?(?:\[\])?)(\?)?(.*)$', rest)
    kind, nullable, more = words.groups()
    kind = 'text' if kind.startswith('enum') else kind
    primary = 'PK' in more
    default = re.search(r'= ([^)]*)\)?$', more.strip())
    sql = f'"{column_name}" {kind}'
    if default:
        value = default.group(1).strip().rstrip(')')
        if value == 'serial':
            sql = f'"{column_name}" serial'
        elif value == 'uuid':
            sql += ' DEFAULT gen_random_uuid()::text'
        elif value == 'now':
            sql += ' DEFAULT CURRENT_TIMESTAMP'
        elif value == 'cuid':
            pass
        elif kind.endswith('[]'):
            sql += " DEFAULT '{}'"
        elif kind in ('bool', 'float8', 'int4', 'int8'):
            sql += f' DEFAULT {value}'
        else:
            sql += " DEFAULT '" + value.strip("'") + "'"
    if not nullable and not kind.endswith('[]'):
        sql += ' NOT NULL'
    if primary:
        sql += ' PRIMARY KEY'
    if '(unique)' in more:
        sql += ' UNIQUE'
    return sql


def table(name, body):
    lines = []
    for item in re.split(r';\s+|\.\s+(?=index|unique|primary)', body.strip().rstrip('.')):
        item = item.strip()
        key = re.match(r'(primary key|unique) \(([^)]*)\)', item)
        if item.startswith('index'):
            continue
        if key:
            names = ', '.join(f'"{part.strip()}"' for part in key.group(2).split(','))
            lines.append(f'  {key.group(1).upper()} ({names})')
            continue
        made = column(item, name)
        if made is None:
            raise SystemExit(f'{name}: cannot read {item!r}')
        lines.append('  ' + made)
    return f'CREATE TABLE "{name}" (\n' + ',\n'.join(lines) + '\n);\n'


def main():
    print("-- LiteLLM's tables (release 1.81.13), by the names, types and defaults of its columns. Written by make_schema.py.\n")
    for line in open(sys.argv[1], encoding='utf-8'):
        match = re.match(r'\* \*\*`"(LiteLLM_\w+)"`\*\*: (.*)$', line)
        if match:
            print(table(*match.groups()))


main()
