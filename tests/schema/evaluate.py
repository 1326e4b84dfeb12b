"""Prints what Rego files say of a plan, with rego-cpp: evaluate.py PLAN FILE.rego... (`.ci/lint` installs it)."""

import json
import sys

import regopy

plan, *files = sys.argv[1:]
rego = regopy.Interpreter()
for file in files:
    with open(file, encoding="utf-8") as text:
        rego.add_module(file, text.read())
with open(plan, encoding="utf-8") as text:
    rego.set_input(json.load(text))
answer = json.loads(str(rego.query("[data.main.deny, data.main.warn]")))
deny, warn = answer["expressions"][0]
print(json.dumps({"deny": sorted(deny), "warn": sorted(warn)}))
